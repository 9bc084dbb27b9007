// SPDX-License-Identifier: Apache-2.0
#pragma once

// RunningCommand: which command this thread runs, where there is a cold tier: memory that it asks
// for may not come from entries that it was promised (Router::way).
//
//   const RunningCommand running(&context);
//   context.command->run(context);
//
// A command in a transaction takes the transaction's place while it runs. Whose shard the command
// writes to does not matter: those of other threads stand still for it. Cost: two words a command;
// the first entry that must go for it lists its keys.

#include "tier/kept.h"

namespace ullage::server {

struct Context;

class RunningCommand {
 public:
  explicit RunningCommand(const Context* context) noexcept;  // null: it is promised nothing
  ~RunningCommand();
  RunningCommand(const RunningCommand&) = delete;
  RunningCommand& operator=(const RunningCommand&) = delete;

  // The keys of this thread's command that it has not done with; null: there is none.
  static const tier::Kept* kept() noexcept;

 private:
  const Context* const outer_;
};

}  // namespace ullage::server
