// SPDX-License-Identifier: Apache-2.0
//
// Numbers for people: three significant digits and the unit, as the program itself prints them.

const digits = (value) => {
  if (value >= 100) return value.toFixed(0);
  return value >= 10 ? value.toFixed(1) : value.toFixed(2);
};

const scaled = (value, units, step) => {
  let at = 0;
  while (value >= 999.5 && at + 1 < units.length) {
    value /= step;
    ++at;
  }
  const text = at === 0 && Number.isInteger(value) ? String(value) : digits(value);
  return units[at] === '' ? text : `${text} ${units[at]}`;
};

export const bytes = (n) => scaled(n, ['B', 'KiB', 'MiB', 'GiB', 'TiB'], 1024);
export const count = (n) => scaled(n, ['', 'k', 'M', 'G'], 1000);
export const percent = (share) => (share === null || Number.isNaN(share) ? '–'
  : `${(share * 100).toFixed(share > 0.9995 || share < 0.0005 ? 0 : 1)} %`);
export const micros = (us) => scaled(us, ['us', 'ms', 's'], 1000);
export const clock = (unixMs) => new Date(unixMs).toLocaleTimeString('en-GB');
export const span = (seconds) => {
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min`;
  return seconds < 172800 ? `${Math.floor(seconds / 3600)} h` : `${Math.floor(seconds / 86400)} days`;
};
