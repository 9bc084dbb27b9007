// SPDX-License-Identifier: Apache-2.0
// The text of a size_profile: its reader and its writer.
#pragma once

#include <ullage/detail/size_profile.h>

namespace ullage::detail {

inline constexpr std::string_view kProfileMagic = "ullage-experience";
inline constexpr unsigned kProfileVersion = 1;

// Reads one profile, line by line.
class profile_reader {
 public:
  profile_reader(std::string_view text, profile_error& error) : rest_(text), error_(error) {}

  bool read(size_profile& profile) {
    if (!header(profile)) return false;
    for (std::string_view line; next(line);) {
      if (line.starts_with("end ")) return end(line.substr(4), profile);
      if (!line.starts_with("site ")) {
        return fail("expected \"site NAME\" or \"end COUNT\", found " + quoted(line));
      }
      std::string name;
      if (!unescaped_name(line.substr(5), name)) {
        return fail("the name " + quoted(line.substr(5)) + " has a broken % or is too long");
      }
      if (profile.sites.size() >= kProfileSitesMax) {
        return fail("more than " + std::to_string(kProfileSitesMax) + " sites");
      }
      const auto [it, fresh] = profile.sites.try_emplace(std::move(name));
      if (!fresh) return fail("site " + quoted(line.substr(5)) + " is there a second time");
      if (!site(it->second)) return false;
    }
    return fail("the file ends early: its last line is to be \"end COUNT\"");
  }

 private:
  bool header(size_profile& profile) {
    std::string_view line;
    if (!next(line) || !line.starts_with(kProfileMagic)) {
      return fail("not a profile: it begins with " + quoted(line) + ", a profile with \"" +
                  std::string(kProfileMagic) + " " + std::to_string(kProfileVersion) + "\"");
    }
    std::string_view version = line.substr(kProfileMagic.size());
    std::uint64_t number = 0;
    if (!take(version, " ", number) || !version.empty()) {
      return fail("expected a version behind \"" + std::string(kProfileMagic) + "\", found " +
                  quoted(line));
    }
    if (number != kProfileVersion) {
      return fail("format version " + std::to_string(number) + ", but this program reads version " +
                  std::to_string(kProfileVersion));
    }
    return next(line) && field(line, "saves ", profile.saves);
  }

  bool site(site_profile& into) {
    std::string_view line;
    std::uint64_t element_bytes = 0;
    if (!next(line) || !field(line, "  runs ", into.runs)) return false;
    if (!next(line) || !field(line, "  containers ", into.containers)) return false;
    if (!next(line) || !field(line, "  seen ", into.seen)) return false;
    if (!next(line) || !field(line, "  element_bytes ", element_bytes)) return false;
    if (element_bytes > UINT32_MAX) return fail("element_bytes is above 4 GiB");
    if (!next(line) || !field(line, "  max ", into.max)) return false;
    into.element_bytes = static_cast<std::uint32_t>(element_bytes);
    constexpr std::string_view kSizes = "  sizes";
    if (!next(line) || !line.starts_with(kSizes)) {
      return fail("expected \"  sizes SIZE:WEIGHT ...\", found " + quoted(line));
    }
    line.remove_prefix(kSizes.size());
    std::uint64_t total = 0;
    int last = -1;
    while (!line.empty()) {
      std::uint64_t size = 0, weight = 0;
      if (!take(line, " ", size) || !take(line, ":", weight)) {
        return fail("expected \" SIZE:WEIGHT\", found " + quoted(line));
      }
      const auto bucket = static_cast<int>(size_sketch::bucket_of(size));
      if (bucket <= last) return fail("sizes don't rise at " + std::to_string(size));
      if (weight == 0 || weight > kSiteWeightMax || (total += weight) > kSiteWeightMax) {
        return fail("weights are to be above 0 and at most " + std::to_string(kSiteWeightMax) +
                    " together");
      }
      into.weights[static_cast<std::uint16_t>(bucket)] = static_cast<std::uint32_t>(weight);
      last = bucket;
    }
    if (last < 0) return fail("a site without sizes");
    if (size_sketch::bucket_of(into.max) != static_cast<std::size_t>(last)) {
      return fail("max " + std::to_string(into.max) + " is not among the largest sizes");
    }
    return true;
  }

  bool end(std::string_view count, const size_profile& profile) {
    std::uint64_t said = 0;
    if (!take(count, "", said) || !count.empty() || said != profile.sites.size()) {
      return fail("\"end\" is to count the " + std::to_string(profile.sites.size()) +
                  " sites above it");
    }
    return rest_.empty() || fail("there is more behind \"end\"");
  }

  // The next line that is not a comment. False at the end, or when a line does not end.
  bool next(std::string_view& line) {
    do {
      ++line_;
      const std::size_t end = rest_.find('\n');
      if (end == std::string_view::npos) {
        line = rest_;
        return fail("the file ends early");
      }
      line = rest_.substr(0, end);
      rest_.remove_prefix(end + 1);
    } while (line.starts_with('#'));
    return true;
  }
  bool field(std::string_view line, std::string_view name, std::uint64_t& value) {
    std::string_view rest = line;
    if (take(rest, name, value) && rest.empty()) return true;
    return fail("expected \"" + std::string(name) + "NUMBER\", found " + quoted(line));
  }
  // Takes `prefix` and a number off the front of `text`.
  static bool take(std::string_view& text, std::string_view prefix, std::uint64_t& value) {
    if (!text.starts_with(prefix)) return false;
    const char* begin = text.data() + prefix.size();
    const auto [end, error] = std::from_chars(begin, text.data() + text.size(), value);
    if (error != std::errc{}) return false;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    return true;
  }
  bool fail(std::string text) {
    if (error_.text.empty()) error_ = {line_, std::move(text)};
    return false;
  }

  std::string_view rest_;
  std::size_t line_ = 0;
  profile_error& error_;
};

inline bool size_profile::parse(std::string_view text, profile_error& error) {
  saves = 0;
  sites.clear();
  error = {};
  if (text.size() > kProfileBytesMax) {
    error = {1, "larger than " + std::to_string(kProfileBytesMax >> 20) + " MiB"};
  } else if (profile_reader(text, error).read(*this)) {
    return true;
  }
  saves = 0;
  sites.clear();
  return false;
}

inline std::string size_profile::print() const {
  std::string s(kProfileMagic);
  s += ' ';
  s += std::to_string(kProfileVersion);
  s += "\nsaves " + std::to_string(saves) + '\n';
  for (const auto& [name, site] : sites) {
    s += "site " + escaped_name(name) + "\n  runs " + std::to_string(site.runs);
    s += "\n  containers " + std::to_string(site.containers);
    s += "\n  seen " + std::to_string(site.seen);
    s += "\n  element_bytes " + std::to_string(site.element_bytes);
    s += "\n  max " + std::to_string(site.max) + "\n  sizes";
    for (const auto& [bucket, weight] : site.weights) {
      s += ' ' + std::to_string(size_sketch::upper_end(bucket)) + ':' + std::to_string(weight);
    }
    s += '\n';
  }
  s += "end " + std::to_string(sites.size()) + '\n';
  return s;
}

}  // namespace ullage::detail
