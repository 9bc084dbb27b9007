// SPDX-License-Identifier: Apache-2.0
#pragma once

// The frames of the HTML page, and names short enough for it. For the parts of html_data().

#include <compare>
#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/text.h"
#include "diagnose/reports/common.h"
#include "diagnose/reports/html_data.h"
#include "evidence/frame.h"

namespace ullage::diagnose {

inline std::string html_name(std::string_view text) {
  return shorten(clean_utf8(text), kHtmlNameColumns);
}
inline std::string html_sentence(std::string_view text) {
  return shorten(clean_utf8(text), kHtmlSentenceColumns);
}

// Frames by index; each is written once, however many stacks it is part of.
class HtmlFrames {
 public:
  static constexpr int kNone = -1;
  HtmlFrames(std::string root, std::size_t bytes_max)
      : root_(std::move(root)), bytes_max_(bytes_max) {
    entries_.push_back({"(frames left out)", "", "", "", "library", false});  // kLeftOut
  }

  // Always gives the frame an index: for the few frames the page can't do without.
  int add(const evidence::Frame& frame) { return intern(frame, true); }

  // The stack as indices, innermost first, cut where a limit says so.
  std::vector<int> stack(const evidence::Stack& stack) {
    const bool long_one = stack.size() > kHtmlInnerFrames + kHtmlOuterFrames;
    std::vector<int> indices;
    for (std::size_t i = 0; i < stack.size(); ++i) {
      if (long_one && i == kHtmlInnerFrames) {
        indices.push_back(kLeftOut);
        i = stack.size() - kHtmlOuterFrames;
      }
      const int index = intern(stack[i], i == 0);
      if (index == kNone) {
        ++stacks_cut_;
        indices.push_back(kLeftOut);
        break;
      }
      indices.push_back(index);
    }
    return indices;
  }

  std::size_t stacks_cut() const { return stacks_cut_; }

  void write(JsonWriter& json) const {
    json.begin_array("frames");
    for (const Entry& entry : entries_) {
      json.begin_object();
      json.field("name", entry.name);
      json.field("place", entry.place);
      json.field("at", entry.at);
      json.field("module", entry.module);
      json.field("kind", entry.kind);
      if (entry.inlined) json.field("inlined", true);
      json.end_object();
    }
    json.end_array();
  }

 private:
  static constexpr int kLeftOut = 0;
  struct Entry {
    std::string name, place, at, module;
    const char* kind;
    bool inlined;
    auto operator<=>(const Entry&) const = default;  // NOLINT(modernize-use-nullptr): sees a 0
  };

  int intern(const evidence::Frame& frame, bool must) {
    std::string at = below_root(frame.file, root_);
    if (!at.empty() && frame.line > 0) at += ":" + std::to_string(frame.line);
    Entry entry{html_name(frame.label()), html_name(frame.place()),           html_name(at),
                html_name(frame.module),  frame.library ? "library" : "user", frame.inlined};
    const auto known = indices_.find(entry);
    if (known != indices_.end()) return known->second;
    const std::size_t bytes =
        entry.name.size() + entry.place.size() + entry.at.size() + entry.module.size() + 60;
    if (!must && bytes_ + bytes > bytes_max_) return kNone;
    bytes_ += bytes;
    const int index = static_cast<int>(entries_.size());
    entries_.push_back(entry);
    indices_.emplace(std::move(entry), index);
    return index;
  }

  std::string root_;
  std::size_t bytes_max_;
  std::vector<Entry> entries_;
  std::map<Entry, int> indices_;
  std::size_t bytes_ = 0;
  std::size_t stacks_cut_ = 0;
};

}  // namespace ullage::diagnose
