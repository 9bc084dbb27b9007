// SPDX-License-Identifier: Apache-2.0
//
// order_service: a small service that takes orders, and grows in four places because nobody told
// its containers how large they would become. Record it, read the advice, apply it, and compare:
//
//   ullage record -o before.ulg -- order_service
//   ullage diagnose before.ulg                          # ... orders.reserve(N)
//   ullage record -o after.ulg -- order_service --reserve-orders=N --reserve-sessions=N
//   ullage diff before.ulg after.ulg
//
// Each --reserve-X=N is the edit that the advice asks for, at the line it names.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace {

struct Options {
  std::size_t orders = 150'000;  // how many come in
  // Elements (bytes for log and report) to make room for at birth; 0 is how it was first written.
  std::size_t reserve_orders = 0, reserve_sessions = 0, reserve_log = 0, reserve_report = 0;
};

struct Order {
  std::uint64_t id;
  std::uint32_t customer;
  std::uint32_t quantity;
  std::int64_t price_cents;
  char symbol[16];
};

class OrderBook {
 public:
  explicit OrderBook(const Options& options) {
    if (options.reserve_orders) orders_.reserve(options.reserve_orders);
  }
  void add(const Order& order) { orders_.push_back(order); }
  const std::vector<Order>& all() const { return orders_; }

 private:
  std::vector<Order> orders_;
};

struct Session {
  std::uint64_t orders = 0;
  std::int64_t spent_cents = 0;
};

class Sessions {
 public:
  explicit Sessions(const Options& options) {
    if (options.reserve_sessions) by_customer_.reserve(options.reserve_sessions);
  }
  void touch(const Order& order) {
    Session& session = by_customer_[order.customer];
    session.orders += 1;
    session.spent_cents += order.price_cents * order.quantity;
  }
  std::size_t size() const { return by_customer_.size(); }

 private:
  std::unordered_map<std::uint32_t, Session> by_customer_;
};

// Lines of text in one buffer of our own, as C programs do it: half as large again when it is full.
class LogBuffer {
 public:
  explicit LogBuffer(const Options& options)
      : capacity_(options.reserve_log ? options.reserve_log : 256),
        text_(static_cast<char*>(std::malloc(capacity_))) {}
  LogBuffer(const LogBuffer&) = delete;
  LogBuffer& operator=(const LogBuffer&) = delete;
  ~LogBuffer() { std::free(text_); }

  void append(const char* line, std::size_t bytes) {
    if (used_ + bytes > capacity_) grow(used_ + bytes);
    std::memcpy(text_ + used_, line, bytes);
    used_ += bytes;
  }
  std::size_t size() const { return used_; }

 private:
  void grow(std::size_t needed) {
    while (capacity_ < needed) capacity_ += capacity_ / 2;
    text_ = static_cast<char*>(std::realloc(text_, capacity_));
    if (!text_) std::abort();
  }

  std::size_t capacity_, used_ = 0;
  char* text_;
};

std::string write_report(const std::vector<Order>& orders, const Options& options) {
  std::string report;
  if (options.reserve_report) report.reserve(options.reserve_report);
  for (const Order& order : orders) {
    report += std::to_string(order.id);
    report += ';';
    report += order.symbol;
    report += '\n';
  }
  return report;
}

Order next_order(std::uint64_t id) {
  static constexpr const char* kSymbols[] = {"ACME", "GLOBEX", "INITECH", "UMBRELLA"};
  Order order{};
  order.id = id;
  order.customer = static_cast<std::uint32_t>(id * 2654435761u % 40009);
  order.quantity = static_cast<std::uint32_t>(1 + id % 7);
  order.price_cents = static_cast<std::int64_t>(100 + id * 37 % 9900);
  std::strncpy(order.symbol, kSymbols[id % 4], sizeof order.symbol - 1);
  return order;
}

void serve(const Options& options) {
  OrderBook book(options);
  Sessions sessions(options);
  LogBuffer log(options);
  for (std::size_t i = 0; i < options.orders; ++i) {
    const Order order = next_order(i);
    book.add(order);
    sessions.touch(order);
    char line[64];
    const int bytes =
        std::snprintf(line, sizeof line, "order %zu customer %u\n", i, order.customer);
    log.append(line, static_cast<std::size_t>(bytes));
  }
  const std::string report = write_report(book.all(), options);
  std::printf("%zu orders, %zu sessions, %zu B of log, %zu B of report\n", book.all().size(),
              sessions.size(), log.size(), report.size());
}

bool read_option(std::string_view word, std::string_view name, std::size_t& target) {
  if (!word.starts_with(name) || word.size() <= name.size() || word[name.size()] != '=')
    return false;
  target = std::strtoull(word.data() + name.size() + 1, nullptr, 10);
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const bool known = read_option(argv[i], "--orders", options.orders) ||
                       read_option(argv[i], "--reserve-orders", options.reserve_orders) ||
                       read_option(argv[i], "--reserve-sessions", options.reserve_sessions) ||
                       read_option(argv[i], "--reserve-log", options.reserve_log) ||
                       read_option(argv[i], "--reserve-report", options.reserve_report);
    if (!known) {
      std::fprintf(stderr,
                   "usage: order_service [--orders=N] [--reserve-orders=N] [--reserve-sessions=N]\n"
                   "                     [--reserve-log=BYTES] [--reserve-report=BYTES]\n");
      return 2;
    }
  }
  serve(options);
}
