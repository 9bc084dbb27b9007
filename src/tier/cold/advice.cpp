// SPDX-License-Identifier: Apache-2.0
#include <string>

#include "tier/cold/store.h"

namespace ullage::tier::cold {

std::string advice(const Outcome& outcome, const std::string& directory) {
  std::string text = directory + ": ";
  switch (outcome.fault) {
    case Fault::kNone:
    case Fault::kMissing:
      return {};
    case Fault::kFull:
      text += "no space left. Nothing is written until there is: free some, or grow the volume.";
      break;
    case Fault::kReadOnly:
      text += "takes no writes. Mount it for writing, or see to its permissions.";
      break;
    case Fault::kCorrupted:
      text += "damaged data. Reads of it fail, others go on. Restore a backup (ullage restore).";
      break;
    case Fault::kGone:
      text += "is gone. Nothing written since is safe: bring it back, or restart with a backup.";
      break;
    case Fault::kLocked:
      text += "another process has it. Stop that one, or name another directory.";
      break;
    case Fault::kFailed:
      text += "the disk fails. See to it; writing is tried again each second.";
      break;
  }
  return text + " (" + outcome.detail + ")";
}

}  // namespace ullage::tier::cold
