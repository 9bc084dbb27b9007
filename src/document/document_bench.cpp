// SPDX-License-Identifier: Apache-2.0
//
// Parts of a document read and changed where it lies, beside what it takes to parse all of it,
// change the tree and print it again (nlohmann/json).
#include <benchmark/benchmark.h>

#include <nlohmann/json.hpp>

#include "document/edits.h"
#include "document/encode.h"
#include "document/parse.h"
#include "document/print.h"

namespace ullage::document {
namespace {

// {"list":[{"id":0,"text":"..."}, ...],"tail":{...}} of about `bytes`.
std::string text_of(std::size_t bytes) {
  std::string text = "{\"list\":[";
  for (int i = 0; text.size() < bytes; ++i) {
    if (i > 0) text += ',';
    text += "{\"id\":" + std::to_string(i) + ",\"text\":\"" + std::string(60, 't') +
            "\",\"on\":true,\"price\":9.75}";
  }
  return text + "]}";
}

std::string encoded(const std::string& text) {
  std::string bytes;
  if (!parse(text, bytes).ok()) std::abort();
  return bytes;
}

void ReadOnePath(benchmark::State& state) {
  const std::string bytes = encoded(text_of(static_cast<std::size_t>(state.range(0))));
  for (auto _ : state) {
    const auto path = Path::compile("$.list[5].text");
    const Selection found = select(*path, Value(bytes.data()));
    std::string out;
    print(out, found.value(found.matches[0]));
    benchmark::DoNotOptimize(out);
  }
}
void ReadOnePathOfATree(benchmark::State& state) {
  const std::string text = text_of(static_cast<std::size_t>(state.range(0)));
  for (auto _ : state) {
    const auto tree = nlohmann::ordered_json::parse(text);
    std::string out = tree["list"][5]["text"].dump();
    benchmark::DoNotOptimize(out);
  }
}

void AppendToAnArray(benchmark::State& state) {
  std::string bytes = encoded(text_of(static_cast<std::size_t>(state.range(0))));
  const std::string item = encoded("{\"id\":1,\"text\":\"new\"}");
  const std::size_t before = bytes.size();
  bytes.reserve(before * 2);
  for (auto _ : state) {
    const auto path = Path::compile("$.list");
    Selection found = select(*path, Value(bytes.data()));
    found.unify();
    Edits edits(found);
    const Value array = found.value(found.matches[0]);
    edits.insert(found.matches[0], found.nodes[found.matches[0]].offset + array.bytes(), item, 1);
    edits.finish();
    bytes.resize(edits.bytes_after());
    edits.apply(bytes.data());
    if (bytes.size() > before * 2 - 100) {
      state.PauseTiming();
      bytes = encoded(text_of(static_cast<std::size_t>(state.range(0))));
      bytes.reserve(before * 2);
      state.ResumeTiming();
    }
  }
}
void AppendToAnArrayOfATree(benchmark::State& state) {
  std::string text = text_of(static_cast<std::size_t>(state.range(0)));
  for (auto _ : state) {
    auto tree = nlohmann::ordered_json::parse(text);
    tree["list"].push_back({{"id", 1}, {"text", "new"}});
    std::string out = tree.dump();
    benchmark::DoNotOptimize(out);
  }
}

void ChangeANumberAtTheFront(benchmark::State& state) {
  std::string bytes = encoded(text_of(static_cast<std::size_t>(state.range(0))));
  bytes.reserve(bytes.size() + 64);
  std::int64_t number = 0;
  for (auto _ : state) {
    const auto path = Path::compile("$.list[0].id");
    Selection found = select(*path, Value(bytes.data()));
    found.unify();
    Edits edits(found);
    std::string value;
    put_integer(value, number++ % 2 == 0 ? 5 : 1'000'000'000);  // everything behind it moves
    edits.replace(found.matches[0], value);
    edits.finish();
    if (edits.bytes_after() > bytes.size()) bytes.resize(edits.bytes_after());
    edits.apply(bytes.data());
    bytes.resize(edits.bytes_after());
  }
}

void Parse(benchmark::State& state) {
  const std::string text = text_of(static_cast<std::size_t>(state.range(0)));
  for (auto _ : state) benchmark::DoNotOptimize(encoded(text));
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * text.size()));
}
void ParseATree(benchmark::State& state) {
  const std::string text = text_of(static_cast<std::size_t>(state.range(0)));
  for (auto _ : state) benchmark::DoNotOptimize(nlohmann::ordered_json::parse(text));
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * text.size()));
}
void Print(benchmark::State& state) {
  const std::string text = text_of(static_cast<std::size_t>(state.range(0)));
  const std::string bytes = encoded(text);
  for (auto _ : state) {
    std::string out;
    print(out, Value(bytes.data()));
    benchmark::DoNotOptimize(out);
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * text.size()));
}

BENCHMARK(ReadOnePath)->Arg(1000)->Arg(1 << 20);
BENCHMARK(ReadOnePathOfATree)->Arg(1000)->Arg(1 << 20);
BENCHMARK(AppendToAnArray)->Arg(1000)->Arg(1 << 20);
BENCHMARK(AppendToAnArrayOfATree)->Arg(1000)->Arg(1 << 20);
BENCHMARK(ChangeANumberAtTheFront)->Arg(1000)->Arg(1 << 20);
BENCHMARK(Parse)->Arg(1000)->Arg(1 << 20);
BENCHMARK(ParseATree)->Arg(1 << 20);
BENCHMARK(Print)->Arg(1000)->Arg(1 << 20);

}  // namespace
}  // namespace ullage::document
