// SPDX-License-Identifier: Apache-2.0
#include "document/path.h"

#include <charconv>

#include "document/encode.h"
#include "document/utf8.h"

namespace ullage::document {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// What a name after a dot may consist of; others go into brackets.
bool is_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) ||
         std::string_view("-_`~+#%$^/:").find(c) != std::string_view::npos;
}

}  // namespace

class PathParser {
 public:
  PathParser(std::string_view text, Path& path) : text_(text), path_(path) {}

  Result<void> run() {
    if (text_.size() > kPathBytesMax) {
      return Error{Code::kExhausted,
                   "path is longer than " + std::to_string(kPathBytesMax) + " bytes"};
    }
    ++at_;  // the $
    if (!steps(path_.steps_, false)) return failure();
    space();
    if (at_ != text_.size()) {
      fail("'.', '[' or the end");
      return failure();
    }
    return {};
  }

 private:
  Error failure() const {
    if (too_much_) {
      return {Code::kExhausted, "path has more than " + std::to_string(kStepsMax) +
                                    " steps, or conditions deeper than " +
                                    std::to_string(kFilterDepthMax)};
    }
    std::string shown(text_.substr(0, at_));
    shown += " ---->>>> ";
    shown += text_.substr(at_);
    for (char& c : shown) {
      if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
    }
    return {Code::kInvalid, "Error occurred on position " + std::to_string(at_) + ", \"" + shown +
                                "\", expected one of the following: " + expected_};
  }
  bool fail(const char* expected) {
    if (expected_ == nullptr) expected_ = expected;
    return false;
  }
  bool count_step() {
    if (++counted_ <= kStepsMax) return true;
    too_much_ = true;
    return fail("");
  }

  void space() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
  }
  bool at(char c) const { return at_ < text_.size() && text_[at_] == c; }
  bool at(std::string_view word) const { return text_.substr(at_).starts_with(word); }
  bool take(char c) {
    space();
    if (!at(c)) return false;
    ++at_;
    return true;
  }
  bool take(std::string_view word) {
    space();
    if (!at(word)) return false;
    at_ += word.size();
    return true;
  }

  // Of the whole path, or of a term (`in_filter`: it ends where no step begins).
  bool steps(std::vector<Step>& into, bool in_filter) {
    for (;;) {
      const std::size_t before = at_;
      space();
      if (at("..")) {
        at_ += 2;
        if (!count_step()) return false;
        into.emplace_back().kind = Step::Kind::kDescend;
        space();
        if (at('[')) {
          if (!bracket(into)) return false;
        } else if (!name_or_all(into)) {
          return false;
        }
      } else if (at('.')) {
        ++at_;
        space();
        if (at('[')) {
          if (!bracket(into)) return false;
        } else if (!name_or_all(into)) {
          return false;
        }
      } else if (at('[')) {
        if (!bracket(into)) return false;
      } else if (in_filter && into.empty() && at_ < text_.size() && at_ == before &&
                 (is_name(text_[at_]) || at('*'))) {
        if (!name_or_all(into)) return false;
      } else {
        at_ = before;
        return true;
      }
    }
  }

  bool name_or_all(std::vector<Step>& into) {
    if (!count_step()) return false;
    Step step;
    if (at('*')) {
      ++at_;
      step.kind = Step::Kind::kAll;
    } else {
      const std::size_t start = at_;
      while (at_ < text_.size() && is_name(text_[at_])) ++at_;
      if (at_ == start) return fail("a name, '*', '['");
      step.kind = Step::Kind::kNames;
      step.names.emplace_back(text_.substr(start, at_ - start));
    }
    into.push_back(std::move(step));
    return true;
  }

  bool bracket(std::vector<Step>& into) {
    ++at_;
    if (!count_step()) return false;
    Step step;
    space();
    if (take('*')) {
      step.kind = Step::Kind::kAll;
    } else if (take('?')) {
      step.kind = Step::Kind::kFilter;
      if (!condition(step.filter, 0)) return false;
    } else if (at('\'') || at('"')) {
      step.kind = Step::Kind::kNames;
      do {
        if (!count_step()) return false;
        space();
        if (!quoted(step.names.emplace_back())) return false;
      } while (take(','));
    } else if (!numbers(step)) {
      return false;
    }
    if (!take(']')) return fail("']'");
    into.push_back(std::move(step));
    return true;
  }

  // [1], [0,2], [1:3], [:-1], [::2]
  bool numbers(Step& step) {
    std::int64_t first = 0;
    const bool given = integer(first);
    if (expected_ != nullptr) return false;
    if (!take(':')) {
      if (!given) return fail("a number, a text in quotes, '*', ':', '?'");
      step.kind = Step::Kind::kIndexes;
      step.indexes.push_back(first);
      while (take(',')) {
        std::int64_t next = 0;
        if (!count_step()) return false;
        if (!integer(next)) return fail("a number");
        step.indexes.push_back(next);
      }
      return true;
    }
    step.kind = Step::Kind::kRange;
    step.has_from = given;
    step.from = first;
    step.has_to = integer(step.to);
    if (expected_ != nullptr) return false;
    if (take(':')) {
      std::int64_t by = 0;
      if (integer(by)) {
        if (by <= 0) return fail("a step of 1 or more");
        step.by = by;
      }
    }
    return expected_ == nullptr;
  }

  bool integer(std::int64_t& value) {
    space();
    const char* const begin = text_.data() + at_;
    const char* const end = text_.data() + text_.size();
    const auto [last, problem] = std::from_chars(begin, end, value);
    if (problem == std::errc::result_out_of_range) return fail("a number of 64 bits");
    if (problem != std::errc{}) return false;
    at_ += static_cast<std::size_t>(last - begin);
    return true;
  }

  // A text in ' or ", where \ stands before a quote or another \.
  bool quoted(std::string& into) {
    if (!at('\'') && !at('"')) return fail("a text in quotes");
    const char quote = text_[at_++];
    while (at_ < text_.size() && text_[at_] != quote) {
      if (text_[at_] == '\\' && at_ + 1 < text_.size() &&
          (text_[at_ + 1] == quote || text_[at_ + 1] == '\\')) {
        ++at_;
      }
      into.push_back(text_[at_++]);
    }
    if (at_ == text_.size()) return fail("a closing quote");
    ++at_;
    return true;
  }

  // --- Filters
  std::size_t add(Condition&& condition) {
    path_.conditions_.push_back(std::move(condition));
    return path_.conditions_.size() - 1;
  }

  // a && b || c: the first of several 'or's of 'and's.
  bool condition(std::size_t& result, unsigned depth) {
    if (!conjunction(result, depth)) return false;
    while (take("||")) {
      std::size_t second = 0;
      if (!conjunction(second, depth)) return false;
      Condition both;
      both.kind = Condition::Kind::kOr;
      both.first = result, both.second = second;
      if (!count_step()) return false;
      result = add(std::move(both));
    }
    return true;
  }

  bool conjunction(std::size_t& result, unsigned depth) {
    if (!operand(result, depth)) return false;
    while (take("&&")) {
      std::size_t second = 0;
      if (!operand(second, depth)) return false;
      Condition both;
      both.kind = Condition::Kind::kAnd;
      both.first = result, both.second = second;
      if (!count_step()) return false;
      result = add(std::move(both));
    }
    return true;
  }

  bool operand(std::size_t& result, unsigned depth) {
    if (take('(')) {
      if (depth + 1 == kFilterDepthMax) {
        too_much_ = true;
        return fail("");
      }
      if (!condition(result, depth + 1)) return false;
      return take(')') || fail("')', '&&', '||' or a comparison");
    }
    Condition one;
    if (!term(one.left, depth)) return false;
    if (op(one.op)) {
      one.kind = Condition::Kind::kCompare;
      if (!term(one.right, depth)) return false;
    }
    if (!count_step()) return false;
    result = add(std::move(one));
    return true;
  }

  bool op(Condition::Op& op) {
    using Op = Condition::Op;
    static constexpr std::pair<std::string_view, Op> kOps[] = {
        {">=", Op::kGreaterEqual}, {"<=", Op::kLessEqual}, {"==", Op::kEqual},
        {"!=", Op::kNotEqual},     {"=~", Op::kMatches},   {">", Op::kGreater},
        {"<", Op::kLess}};
    for (const auto& [word, value] : kOps) {
      if (!take(word)) continue;
      op = value;
      return true;
    }
    return false;
  }

  bool term(Term& term, unsigned depth) {
    space();
    if (at('@') || at('$')) {
      term.kind = text_[at_++] == '@' ? Term::Kind::kCurrent : Term::Kind::kRoot;
      if (nested_ + depth + 1 >= kFilterDepthMax) {
        too_much_ = true;
        return fail("");
      }
      ++nested_;
      const bool ok = steps(term.steps, true);
      --nested_;
      return ok;
    }
    if (at('\'') || at('"')) {
      std::string text;
      if (!quoted(text)) return false;
      put_string(term.literal, text);
      return true;
    }
    if (take("true")) return put_boolean(term.literal, true), true;
    if (take("false")) return put_boolean(term.literal, false), true;
    if (take("null")) return put_null(term.literal), true;
    return number(term) || fail("'@', '$', a number, a text in quotes, true, false, null, '('");
  }

  bool number(Term& term) {
    std::size_t end = at_;
    if (end < text_.size() && text_[end] == '-') ++end;
    const std::size_t first = end;
    while (end < text_.size() && is_digit(text_[end])) ++end;
    if (end == first) return false;
    bool whole = true;
    if (end + 1 < text_.size() && text_[end] == '.' && is_digit(text_[end + 1])) {
      whole = false;
      for (++end; end < text_.size() && is_digit(text_[end]);) ++end;
    }
    const char *from = text_.data() + at_, *to = text_.data() + end;
    std::int64_t integer = 0;
    double real = 0;
    if (whole && std::from_chars(from, to, integer).ec == std::errc{}) {
      put_integer(term.literal, integer);
    } else if (std::from_chars(from, to, real).ec == std::errc{}) {
      put_real(term.literal, real);
    } else {
      return fail("a number that a double holds");
    }
    at_ = end;
    return true;
  }

  std::string_view text_;
  Path& path_;
  std::size_t at_ = 0, counted_ = 0;
  unsigned nested_ = 0;
  bool too_much_ = false;
  const char* expected_ = nullptr;
};

Result<Path> Path::compile(std::string_view text) {
  Path path;
  path.text_ = text;
  std::string whole(text);
  path.legacy_ = !(text.starts_with('$') && (text.size() == 1 || text[1] == '.' || text[1] == '['));
  if (path.legacy_) {
    whole = text == "." ? "$" : (text.starts_with('.') ? "$" : "$.") + whole;
  }
  if (Result<void> parsed = PathParser(whole, path).run(); !parsed.ok()) return parsed.error();
  return path;
}

bool Path::definite() const {
  for (const Step& step : steps_) {
    const bool one = (step.kind == Step::Kind::kNames && step.names.size() == 1) ||
                     (step.kind == Step::Kind::kIndexes && step.indexes.size() == 1);
    if (!one) return false;
  }
  return true;
}

Path Path::parent() const {
  Path parent = *this;
  parent.steps_.pop_back();
  return parent;
}

}  // namespace ullage::document
