// SPDX-License-Identifier: Apache-2.0
#pragma once

// Result<T>: a value, or an Error that says what happened, where, and what to do next.
//
//   Result<Recording> r = Recording::open(path);
//   if (!r.ok()) return r.error();
//   use(r.value());
//
// For the outside world only (files, processes, other people's bytes); our own mistakes are
// asserts. A dropped Result is a compiler warning. Thread-safety: that of T.

#include <cassert>
#include <string>
#include <utility>
#include <variant>

namespace ullage {

enum class Code {
  kInvalid,      // the input is not what it should be
  kNotFound,     // a file, site or name does not exist
  kUnsupported,  // understood, but this build or version does not do it
  kExhausted,    // a limit was met
  kIo,           // the operating system said no
  kImpossible,   // the request can't work for this target; the message says what to do instead
};

struct Error {
  Code code = Code::kInvalid;
  std::string message;
};

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::move(value)) {}      // NOLINT(google-explicit-constructor)
  Result(Error error) : state_(std::move(error)) {}  // NOLINT(google-explicit-constructor)

  bool ok() const { return std::holds_alternative<T>(state_); }
  explicit operator bool() const { return ok(); }

  T& value() & { return assert(ok()), *std::get_if<T>(&state_); }
  const T& value() const& { return assert(ok()), *std::get_if<T>(&state_); }
  T&& value() && { return assert(ok()), std::move(*std::get_if<T>(&state_)); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }

  const Error& error() const { return assert(!ok()), *std::get_if<Error>(&state_); }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error)
      : error_(std::move(error)), ok_(false) {}  // NOLINT(google-explicit-constructor)

  bool ok() const { return ok_; }
  explicit operator bool() const { return ok_; }
  const Error& error() const { return assert(!ok_), error_; }

 private:
  Error error_;
  bool ok_ = true;
};

}  // namespace ullage
