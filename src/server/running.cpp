// SPDX-License-Identifier: Apache-2.0
#include "server/running.h"

#include <utility>
#include <vector>

#include "server/context.h"
#include "server/needs.h"

namespace ullage::server {
namespace {

thread_local const Context* running = nullptr;
thread_local const Context* listed = nullptr;  // whose keys are in `keys`
thread_local tier::Kept keys;

}  // namespace

RunningCommand::RunningCommand(const Context* context) noexcept
    : outer_(std::exchange(running, context)) {}

RunningCommand::~RunningCommand() {
  running = outer_;
  listed = nullptr;
}

const tier::Kept* RunningCommand::kept() noexcept {
  if (running == nullptr) return nullptr;
  if (listed != running) {
    std::vector<KeyNeed> needs;
    needs_of(*running->command, running->words, running->caller.db, running->hashed,
             running->first_hash, needs);
    keys.clear();
    for (const KeyNeed& need : needs) {
      if (need.need != Need::kTurn) keys.add(need.hash);
    }
    keys.seal();
    listed = running;
  }
  keys.done(running->keys_done);
  return &keys;
}

}  // namespace ullage::server
