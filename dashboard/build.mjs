// SPDX-License-Identifier: Apache-2.0
//
// Makes the live page: src/ and uPlot into one HTML file that needs nothing else, and the
// Content-Security-Policy that lets exactly this script and this style run.
//
//   node build.mjs [SOURCES [FOLDER]]     FOLDER/index.html and FOLDER/policy.txt
//
// The packages are looked for beside this file. While working on it: npm ci && npm run build.
//
// The same sources give the same bytes.
import {createHash} from 'node:crypto';
import {mkdirSync, readFileSync, writeFileSync} from 'node:fs';
import {dirname, join} from 'node:path';
import {fileURLToPath} from 'node:url';
import * as esbuild from 'esbuild';

const here = dirname(fileURLToPath(import.meta.url));
const [sources = join(here, 'src'), out = join(here, 'dist')] = process.argv.slice(2);

const bundle = async (entry) => {
  const done = await esbuild.build({
    entryPoints: [join(sources, entry)],
    bundle: true,
    minify: true,
    write: false,
    format: entry.endsWith('.js') ? 'iife' : undefined,
    target: ['chrome109', 'firefox115', 'safari16'],
    legalComments: 'inline',
    charset: 'ascii',
    logLevel: 'warning',
    absWorkingDir: here,
    nodePaths: [join(here, 'node_modules')],
  });
  const text = done.outputFiles[0].text.trim();
  if (/<\/(script|style)/i.test(text)) throw new Error(`${entry} would end the tag it stands in`);
  return text;
};
const hash = (text) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;

const script = await bundle('main.js');
const style = await bundle('page.css');
const licence = readFileSync(join(here, 'node_modules/uplot/LICENSE'), 'utf8').trim();
const page = readFileSync(join(sources, 'index.html'), 'utf8')
  .replace('<!-- licence -->', () => `<!-- This page holds uPlot:\n${licence}\n-->`)
  .replace('<!-- style -->', () => `<style>${style}</style>`)
  .replace('<!-- script -->', () => `<script>${script}</script>`);
const policy = [
  "default-src 'none'", `script-src ${hash(script)}`, `style-src ${hash(style)}`,
  "connect-src 'self'", 'img-src data:', "base-uri 'none'", "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');
mkdirSync(out, {recursive: true});
writeFileSync(join(out, 'index.html'), page);
writeFileSync(join(out, 'policy.txt'), policy);
