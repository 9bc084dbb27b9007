// SPDX-License-Identifier: Apache-2.0
#pragma once

// Errands: commands for a thread that has neither keys nor clients of RESP (the HTTP door). Each is
// posted to the thread that owns its key; the reply comes back to the one who asked.
//
//   Errands errands(server);                     // wait until errands.fd() is readable
//   Ask ask{.owner = owner, .command = find_internal("http.get"), .words = {"http.get", key}};
//   if (!errands.send(ask, 0, [](auto reply) { ... })) ...    // too many are under way
//   errands.arrived();                           // runs what waits for replies that are here
//
// Promise   `done` is called exactly once, by arrived() or tick(): with the reply's bytes (RESP2),
//           or with nothing when it did not come within kErrandMs. The command may still run then,
//           and counts as under way until it has. It is not called after the Errands are gone.
// Budget    A reply above kFreeBufferBytes was granted before it was posted, or is an error that
//           begins with OOM; it stays granted until its ErrandReply is gone, or was taken over.
// Threads   One sends and is told. give() may be called by any.
// Limits    kErrandsMax under way; then send() refuses and nothing is posted.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "server/post.h"
#include "tier/budget.h"

namespace ullage::server {

class Server;

// Errands under way at once, of all who ask.
inline constexpr std::size_t kErrandsMax = 4096;
// The longest wait for a reply. A read of a disk that fails takes its time.
inline constexpr std::uint64_t kErrandMs = 30'000;

// One command for one thread.
struct Ask {
  unsigned owner = 0;
  const Command* command = nullptr;
  Caller caller;                   // who asks: the owner's thread lets it do what its user may
  std::vector<std::string> words;  // its own name first
  std::optional<wire::ByteBuffer> last;  // one more word, which is not copied
};

// Where workers leave the posts of errands that are done. Lives as long as they do.
class ErrandBox {
 public:
  ErrandBox();
  ~ErrandBox();
  int fd() const { return fd_; }
  void give(std::vector<PostPtr>& posts);
  bool take(std::vector<PostPtr>& into);

 private:
  Inbox inbox_;
  int fd_ = -1;
};

// What came back, and what the budget has granted for it.
class ErrandReply {
 public:
  ErrandReply() = default;
  ErrandReply(tier::Budget& budget, wire::ByteBuffer bytes, std::uint64_t granted_bytes)
      : bytes_(std::move(bytes)), budget_(&budget), granted_bytes_(granted_bytes) {}
  ErrandReply(ErrandReply&& other) noexcept { *this = std::move(other); }
  ErrandReply& operator=(ErrandReply&& other) noexcept {
    std::swap(budget_, other.budget_);
    std::swap(granted_bytes_, other.granted_bytes_);
    bytes_.swap(other.bytes_);
    return *this;
  }
  ~ErrandReply() {
    bytes_.release();
    if (granted_bytes_ > 0) budget_->give_back(tier::Component::kClients, granted_bytes_);
  }

  std::string_view view() const { return bytes_.view(); }
  // The taker gives it back.
  std::uint64_t take_granted() { return std::exchange(granted_bytes_, 0); }
  wire::ByteBuffer take_bytes() { return std::move(bytes_); }

 private:
  wire::ByteBuffer bytes_;
  tier::Budget* budget_ = nullptr;
  std::uint64_t granted_bytes_ = 0;
};

class Errands {
 public:
  using Done = std::function<void(std::optional<ErrandReply> reply)>;

  explicit Errands(Server& server) : server_(server) {}
  ~Errands();

  int fd() const;
  // `granted_bytes`: of the budget, held until the command has run.
  bool send(Ask ask, std::uint64_t granted_bytes, Done done);
  void arrived();
  void tick(std::uint64_t now_ms);  // of the steady clock
  std::size_t under_way() const { return records_.size(); }

 private:
  struct Record {
    Done done;  // none: nobody waits any more
    std::uint64_t until_ms = 0;
    std::uint64_t granted_bytes = 0;
  };

  Server& server_;
  std::unordered_map<std::uint64_t, Record> records_;
  std::uint64_t next_ = 0;
  std::vector<PostPtr> taken_, sending_;
};

}  // namespace ullage::server
