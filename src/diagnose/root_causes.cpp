// SPDX-License-Identifier: Apache-2.0
#include "diagnose/root_causes.h"

#include <algorithm>
#include <cassert>
#include <optional>

#include "base/nearest.h"
#include "base/text.h"
#include "diagnose/embedded.h"
#include "diagnose/explain.h"

namespace ullage::diagnose {
namespace {

constexpr const char* kFile = "root_causes.table";
constexpr const char* kAny = "any";

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t\r");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r") - begin + 1);
}

bool is_detector(const std::string& name) {
  const auto is = [&](const auto& known) { return name == known.name; };
  return std::any_of(pages().begin(), pages().end(), is) ||
         std::any_of(detectors().begin(), detectors().end(), is);
}

class Parser {
 public:
  Parser(std::string_view text, const std::string& name) : text_(text), name_(name) {}
  Result<std::vector<RootCause>> run();

 private:
  Error wrong(const std::string& what, std::size_t line) const {
    return {Code::kInvalid, name_ + ":" + std::to_string(line) + ": " + what};
  }
  Result<void> add_line(std::string_view line);
  Result<void> add_row(std::string_view line);
  Result<void> add_field(std::string_view line);
  Result<void> append(std::string& to, std::string_view text);
  Result<void> names(std::string_view text, std::vector<std::string>& into);
  Result<void> finish_row();

  std::string_view text_;
  const std::string& name_;
  std::size_t line_ = 0;
  std::vector<RootCause> rows_;
  std::string* field_ = nullptr;  // what an indented line goes on with
  std::string when_, without_;
};

Result<std::vector<RootCause>> Parser::run() {
  if (text_.size() > RootCauses::kBytesMax) {
    return Error{Code::kExhausted, name_ + ": larger than 1 MiB; is it a table of causes?"};
  }
  if (text_.find('\0') != std::string_view::npos) {
    return Error{Code::kInvalid, name_ + ": not a text file."};
  }
  std::size_t at = 0;
  while (at < text_.size()) {
    const std::size_t end = std::min(text_.find('\n', at), text_.size());
    ++line_;
    if (Result<void> done = add_line(text_.substr(at, end - at)); !done.ok()) return done.error();
    at = end + 1;
  }
  if (Result<void> done = finish_row(); !done.ok()) return done.error();
  return std::move(rows_);
}

Result<void> Parser::add_line(std::string_view line) {
  const std::string_view text = trimmed(line);
  if (text.empty() || text.front() == '#') return {};
  if (text.front() == '[') return add_row(text);
  const bool indented = line.front() == ' ' || line.front() == '\t';
  if (!indented) return add_field(text);
  if (!field_)
    return wrong("an indented line goes on with a field, and there is none above.", line_);
  return append(*field_, text);
}

Result<void> Parser::add_row(std::string_view line) {
  if (Result<void> done = finish_row(); !done.ok()) return done;
  if (line.back() != ']' || trimmed(line.substr(1, line.size() - 2)).empty()) {
    return wrong("a row begins with its title in brackets, like [appending under load].", line_);
  }
  if (rows_.size() >= RootCauses::kRowsMax) return wrong("more than 1000 rows.", line_);
  RootCause& row = rows_.emplace_back();
  row.line = line_;
  return append(row.title, trimmed(line.substr(1, line.size() - 2)));
}

Result<void> Parser::add_field(std::string_view line) {
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) {
    return wrong("expected FIELD: TEXT, or a title in brackets.", line_);
  }
  if (rows_.empty()) return wrong("a field before the first row; write [title] above it.", line_);
  RootCause& row = rows_.back();
  const std::string key(trimmed(line.substr(0, colon)));
  const std::pair<const char*, std::string*> fields[] = {
      {"when", &when_},      {"not", &without_},  {"where", &row.where}, {"says", &row.says},
      {"cause", &row.cause}, {"do", &row.advice}, {"next", &row.next}};
  std::vector<std::string> known;
  for (const auto& [name, target] : fields) {
    known.emplace_back(name);
    if (key != name) continue;
    if (!target->empty()) return wrong("'" + key + "' is there twice in this row.", line_);
    field_ = target;
    const std::string_view value = trimmed(line.substr(colon + 1));
    if (value.empty()) return {};  // it begins on the next line
    return append(*target, value);
  }
  const std::string near = nearest(key, known);
  return wrong("there is no field '" + clean_utf8(shorten(key, 40)) + "'" +
                   (near.empty() ? "" : ", perhaps " + near) +
                   ". Fields: when, not, where, says, cause, do, next.",
               line_);
}

Result<void> Parser::append(std::string& to, std::string_view text) {
  if (to.size() + text.size() + 1 > RootCauses::kValueMax) {
    return wrong("longer than 4000 characters.", line_);
  }
  to += (to.empty() ? "" : " ") + clean_utf8(text);
  return {};
}

Result<void> Parser::names(std::string_view text, std::vector<std::string>& into) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('+'), text.size());
    const std::string name(trimmed(text.substr(0, end)));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (name == kAny) continue;
    if (name.empty()) {
      return wrong("a name is missing; detectors are joined by +.", rows_.back().line);
    }
    if (!is_detector(name)) {
      std::vector<std::string> known;
      for (const Page& page : pages()) known.emplace_back(page.name);
      const std::string near = nearest(name, known);
      return wrong("there is no detector '" + shorten(name, 60) + "'" +
                       (near.empty() ? "" : ", perhaps " + near) + ". See: ullage explain",
                   rows_.back().line);
    }
    into.push_back(name);
  }
  return {};
}

Result<void> Parser::finish_row() {
  field_ = nullptr;
  if (rows_.empty()) return {};
  RootCause& row = rows_.back();
  const std::string title = "[" + row.title + "]";
  if (when_.empty()) {
    return wrong(title + " has no 'when': name the detectors, or any.", row.line);
  }
  if (row.cause.empty()) return wrong(title + " has no 'cause'.", row.line);
  if (Result<void> done = names(when_, row.when); !done.ok()) return done;
  if (Result<void> done = names(without_, row.without); !done.ok()) return done;
  when_.clear();
  without_.clear();
  return {};
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

bool speaks(const Finding& finding, const std::string& detector) {
  return finding.detector == detector ||
         std::any_of(finding.also.begin(), finding.also.end(),
                     [&](const Related& related) { return related.detector == detector; });
}

bool fits(const RootCause& row, const Finding& finding) {
  const auto in = [&](const std::string& detector) { return speaks(finding, detector); };
  if (!std::all_of(row.when.begin(), row.when.end(), in)) return false;
  if (std::any_of(row.without.begin(), row.without.end(), in)) return false;
  if (!row.where.empty() && !contains(finding.where.file, row.where) &&
      !contains(finding.where.function, row.where)) {
    return false;
  }
  return row.says.empty() || contains(finding.title, row.says) ||
         std::any_of(finding.evidence.begin(), finding.evidence.end(),
                     [&](const std::string& sentence) { return contains(sentence, row.says); });
}

std::size_t conditions(const RootCause& row) {
  return row.when.size() + row.without.size() + (row.where.empty() ? 0 : 1) +
         (row.says.empty() ? 0 : 1);
}

}  // namespace

const RootCauses& RootCauses::built_in() {
  static const RootCauses kTable = [] {
    RootCauses table;
    for (const EmbeddedFile& file : embedded()) {
      if (file.name != kFile) continue;
      Result<std::vector<RootCause>> rows = Parser(file.text, kFile).run();
      assert(rows.ok());  // a test reads it as well
      if (rows.ok()) table.rows_ = std::move(rows).value();
    }
    return table;
  }();
  return kTable;
}

Result<RootCauses> RootCauses::parse(std::string_view text, const std::string& name) {
  Result<std::vector<RootCause>> rows = Parser(text, name).run();
  if (!rows.ok()) return rows.error();
  RootCauses table;
  table.rows_ = std::move(rows).value();
  return table;
}

const RootCause* RootCauses::row_for(const Finding& finding) const {
  const RootCause* best = nullptr;
  for (const RootCause& row : rows_) {
    if (fits(row, finding) && (!best || conditions(row) > conditions(*best))) best = &row;
  }
  return best;
}

void name_causes(const RootCauses& table, std::vector<Finding>& findings) {
  for (Finding& finding : findings) {
    const RootCause* own = table.row_for(finding);
    const RootCause* row = own ? own : RootCauses::built_in().row_for(finding);
    if (!row) continue;
    finding.cause = row->cause;
    if (!row->advice.empty()) {
      finding.remedy += (finding.remedy.empty() ? "" : " ") + row->advice;
    }
    // Who wrote a table of their own knows better than we do what comes next.
    const bool theirs = own && &table != &RootCauses::built_in();
    if (!row->next.empty() && (theirs || finding.check.empty())) finding.check = row->next;
  }
}

}  // namespace ullage::diagnose
