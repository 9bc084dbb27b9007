// SPDX-License-Identifier: Apache-2.0
#include "diagnose/explain.h"

#include <algorithm>

#include "base/nearest.h"
#include "base/text.h"
#include "diagnose/embedded.h"
#include "diagnose/finding.h"

namespace ullage::diagnose {
namespace {

constexpr std::string_view kEnding = ".md";

std::string_view line_at(std::string_view text, std::size_t& at) {
  const std::size_t end = std::min(text.find('\n', at), text.size());
  const std::string_view line = text.substr(at, end - at);
  at = end + 1;
  return line;
}

// What stands below the title.
std::string_view summary_of(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    const std::string_view line = line_at(text, at);
    if (!line.empty() && !line.starts_with('#')) return line;
  }
  return {};
}

std::vector<Page> read_pages() {
  std::vector<Page> pages;
  for (const EmbeddedFile& file : embedded()) {
    if (!file.name.ends_with(kEnding)) continue;
    const std::string_view name = file.name.substr(0, file.name.size() - kEnding.size());
    pages.push_back({name, summary_of(file.text), file.text});
  }
  const auto place = [](const Page& page) {
    const std::vector<Detector>& all = detectors();
    return std::find_if(all.begin(), all.end(),
                        [&](const Detector& d) { return page.name == d.name; }) -
           all.begin();
  };
  std::stable_sort(pages.begin(), pages.end(),
                   [&](const Page& a, const Page& b) { return place(a) < place(b); });
  return pages;
}

// "[detectors.md](../detectors.md)" is "detectors.md" on a terminal.
std::string without_links(std::string_view text) {
  std::string plain;
  while (!text.empty()) {
    const std::size_t open = text.find('[');
    const std::size_t middle = text.find("](", open);
    const std::size_t close = text.find(')', middle);
    if (open == std::string_view::npos || middle == std::string_view::npos ||
        close == std::string_view::npos) {
      break;
    }
    // Go's slice types have brackets, too: no word in between is no link.
    if (middle == open + 1 ||
        text.substr(open, middle - open).find('\n') != std::string_view::npos) {
      plain += text.substr(0, open + 1);
      text.remove_prefix(open + 1);
      continue;
    }
    plain += text.substr(0, open);
    plain += text.substr(open + 1, middle - open - 1);
    text.remove_prefix(close + 1);
  }
  return plain + std::string(text);
}

class Terminal {
 public:
  Terminal(int width, bool colour)
      : width_(static_cast<std::size_t>(std::max(width, 40))), colour_(colour) {}

  void add(std::string_view line) {
    if (line.starts_with("```")) {
      flush();
      code_ = !code_;
    } else if (code_) {
      out_ += line.empty() ? "\n" : "      " + std::string(line) + "\n";
    } else if (line.starts_with('#')) {
      flush();
      const std::string title(line.substr(line.find_first_not_of("# ")));
      out_ += colour_ ? "\x1b[1m" + title + "\x1b[0m\n" : title + "\n";
      indent_ = line.starts_with("##") ? 2 : 0;
    } else if (line.empty()) {
      flush();
      if (!out_.ends_with("\n\n")) out_ += "\n";
    } else {
      if (line.starts_with("- ")) flush();
      paragraph_ += (paragraph_.empty() ? "" : " ") +
                    std::string(line.substr(std::min(line.find_first_not_of(' '), line.size())));
    }
  }
  std::string take() {
    flush();
    while (out_.ends_with("\n\n")) out_.pop_back();
    return std::move(out_);
  }

 private:
  void flush() {
    if (paragraph_.empty()) return;
    const std::string text = without_links(paragraph_);
    const std::string left(indent_, ' ');
    const bool item = text.starts_with("- ");
    out_ += wrap(item ? text.substr(2) : text, width_, item ? left + "- " : left,
                 item ? left + "  " : left) +
            "\n";
    paragraph_.clear();
  }

  std::size_t width_;
  bool colour_;
  bool code_ = false;
  std::size_t indent_ = 0;
  std::string paragraph_, out_;
};

}  // namespace

const std::vector<Page>& pages() {
  static const std::vector<Page> kPages = read_pages();
  return kPages;
}

Result<Page> page_of(const std::string& name) {
  std::vector<std::string> names;
  for (const Page& page : pages()) {
    if (page.name == name) return page;
    names.emplace_back(page.name);
  }
  std::string message = "there is no page '" + clean_utf8(name) + "'.";
  if (const std::string near = nearest(name, names); !near.empty()) {
    message += " Did you mean " + near + "?";
  }
  return Error{Code::kNotFound, message + "\n  See them all: ullage explain"};
}

std::string page_text(const Page& page, int width, bool colour) {
  Terminal terminal(width, colour);
  std::size_t at = 0;
  while (at < page.text.size()) terminal.add(line_at(page.text, at));
  return terminal.take();
}

std::string page_list(int width) {
  std::size_t longest = 0;
  for (const Page& page : pages()) longest = std::max(longest, page.name.size());
  const std::string rest(longest + 4, ' ');
  std::string text;
  for (const Page& page : pages()) {
    const std::string first =
        "  " + std::string(page.name) + std::string(longest + 2 - page.name.size(), ' ');
    text += wrap(page.summary, static_cast<std::size_t>(std::max(width, 60)), first, rest) + "\n";
  }
  return text;
}

}  // namespace ullage::diagnose
