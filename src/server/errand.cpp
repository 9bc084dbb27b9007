// SPDX-License-Identifier: Apache-2.0
#include "server/errand.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include "server/clock.h"
#include "server/server.h"
#include "server/worker.h"

namespace ullage::server {

ErrandBox::ErrandBox() : fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}
ErrandBox::~ErrandBox() { ::close(fd_); }

void ErrandBox::give(std::vector<PostPtr>& posts) {
  if (!inbox_.put(posts)) return;
  const std::uint64_t one = 1;
  if (write(fd_, &one, sizeof one) < 0) return;  // full: it is readable anyway
}

bool ErrandBox::take(std::vector<PostPtr>& into) {
  std::uint64_t drained;
  while (read(fd_, &drained, sizeof drained) > 0) {
  }
  return inbox_.take(into);
}

Errands::~Errands() {
  for (const auto& [id, record] : records_) {
    server_.budget().give_back(tier::Component::kClients, record.granted_bytes);
  }
}

int Errands::fd() const { return server_.errand_box().fd(); }

bool Errands::send(Ask ask, std::uint64_t granted_bytes, Done done) {
  if (records_.size() >= kErrandsMax) return false;
  auto post = std::make_unique<Post>();
  post->kind = Post::Kind::kCommand;
  post->errand = ++next_;
  post->command = ask.command;
  post->caller = ask.caller;
  for (const std::string& word : ask.words) {
    post->lengths.push_back(static_cast<std::uint32_t>(word.size()));
    post->bytes.append(word);
  }
  if (ask.last) {
    post->last = std::move(*ask.last);
    post->has_last = true;
  }
  const int first = ask.command->first_key;
  if (first > 0) post->first_hash = tier::hash_text(ask.words[static_cast<std::size_t>(first)]);
  records_.emplace(next_, Record{std::move(done), steady_ms() + kErrandMs, granted_bytes});
  sending_.push_back(std::move(post));
  Worker& owner = *server_.workers()[ask.owner];
  owner.inbox().put(sending_);
  owner.wake();
  return true;
}

void Errands::arrived() {
  taken_.clear();
  if (!server_.errand_box().take(taken_)) return;
  for (PostPtr& each : taken_) {
    // What one of them holds is gone, or somebody's, before the next is looked at.
    const PostPtr post = std::move(each);
    ErrandReply reply(server_.budget(), std::move(post->bytes), std::exchange(post->lent, 0));
    const auto found = records_.find(post->errand);
    if (found == records_.end()) continue;
    const Record record = std::move(found->second);
    records_.erase(found);
    post->last.release();
    server_.budget().give_back(tier::Component::kClients, record.granted_bytes);
    if (record.done) record.done(std::move(reply));
  }
  taken_.clear();
}

void Errands::tick(std::uint64_t now_ms) {
  std::vector<Done> late;
  for (auto& [id, record] : records_) {
    if (record.until_ms > now_ms || !record.done) continue;
    late.push_back(std::move(record.done));
    record.done = nullptr;
  }
  for (const Done& done : late) done(std::nullopt);
}

}  // namespace ullage::server
