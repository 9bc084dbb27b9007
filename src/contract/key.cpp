// SPDX-License-Identifier: Apache-2.0
#include "contract/key.h"

#include <algorithm>
#include <array>

#include "base/format.h"
#include "base/nearest.h"
#include "base/text.h"

namespace ullage::contract {
namespace {

constexpr std::array kKeys = {
#define ULLAGE_KEY(path, type, standard, least, most, live, summary, explanation) \
  Key{path, KeyType::type, standard, least, most, live, summary, explanation},
#include "contract/keys.def"
#undef ULLAGE_KEY
};

std::string written(const Key& key, std::string_view text) {
  const bool bare =
      key.type == KeyType::kRatio || key.type == KeyType::kCount || key.type == KeyType::kPort;
  return bare ? std::string(text) : "\"" + std::string(text) + "\"";
}

const char* example(const Key& key) {
  if (*key.default_text != 0) return key.default_text;
  switch (key.type) {
    case KeyType::kBytes:
      return "512MiB";
    case KeyType::kDuration: {
      constexpr std::uint64_t kTenMs = 10'000'000;
      return parse_duration_ns(key.least).value() > kTenMs ? key.least : "10ms";
    }
    case KeyType::kRatio:
      return "0.05";
    case KeyType::kCount:
      return "4";
    case KeyType::kPort:
      return "9180";
    case KeyType::kText:
      return "a text";
    case KeyType::kDurability:
      return "50ms";
    case KeyType::kPrefixes:
      return "";
  }
  return "";
}

}  // namespace

std::string_view Key::section() const {
  const std::string_view all = path;
  return all.substr(0, all.find('.'));
}

std::string_view Key::name() const {
  const std::string_view all = path;
  return all.substr(all.find('.') + 1);
}

std::span<const Key> keys() { return kKeys; }

const Key* find_key(std::string_view path) {
  const auto found =
      std::find_if(kKeys.begin(), kKeys.end(), [path](const Key& k) { return path == k.path; });
  return found == kKeys.end() ? nullptr : &*found;
}

const char* expected(KeyType type) {
  switch (type) {
    case KeyType::kBytes:
      return "a size, like \"512MiB\"";
    case KeyType::kDuration:
      return "a duration, like \"200us\"";
    case KeyType::kRatio:
      return "a number, like 0.05";
    case KeyType::kCount:
      return "a whole number, like 4";
    case KeyType::kPort:
      return "a port, like 6379, or \"off\"";
    case KeyType::kText:
      return "a text in quotes";
    case KeyType::kDurability:
      return "\"always\", \"no\", \"off\", or a window from \"1ms\" to \"60s\"";
    case KeyType::kPrefixes:
      return "a table of prefixes, each with its durability";
  }
  return "";
}

std::string nearest_path(std::string_view path) {
  std::vector<std::string> known;
  for (const Key& key : kKeys) {
    known.emplace_back(key.path);
    known.emplace_back(key.section());
  }
  if (const std::string close = nearest(path, known); !close.empty()) return close;
  // The right name in the wrong section, or a bare name.
  const std::string_view name = path.substr(path.rfind('.') + 1);
  std::vector<std::string> names;
  for (const Key& key : kKeys) names.emplace_back(key.name());
  const std::string close = nearest(name, names);
  for (const Key& key : kKeys) {
    if (!close.empty() && key.name() == close) return key.path;
  }
  return {};
}

std::string explain(const Key& key, std::size_t width) {
  std::string text = std::string(key.path) + "\n" + wrap(key.summary, width, "  ", "  ") + "\n";
  text += "  type     " + std::string(expected(key.type)) + "\n";
  text += "  default  " +
          (*key.default_text == 0 ? "unset (no bound)" : written(key, key.default_text)) + "\n";
  text += "  allowed  " +
          (key.type == KeyType::kText ? std::string("any text")
           : *key.least == 0          ? std::string(expected(key.type))
                                      : written(key, key.least) + " to " + written(key, key.most)) +
          "\n";
  text += "  changes  " + std::string(key.live ? "while a server runs (reload)" : "at start only") +
          "\n\n";
  std::string_view rest = key.explanation;
  while (!rest.empty()) {
    const std::size_t end = rest.find("\n\n");
    text += wrap(rest.substr(0, end), width, "  ", "  ") + "\n\n";
    rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 2);
  }
  if (key.type == KeyType::kPrefixes) {
    return text + "  [" + key.path + "]\n  \"orders:\" = \"always\"\n  \"cache:\" = \"off\"\n";
  }
  text += "  [" + std::string(key.section()) + "]\n  " + std::string(key.name()) + " = " +
          written(key, example(key)) + "\n";
  return text;
}

}  // namespace ullage::contract
