// SPDX-License-Identifier: Apache-2.0
//
// jvm-out-of-memory: the allocation that did not fit, by the stack of its OutOfMemoryError.
//
// Whoever asks last need not be who filled the heap: it often is, when a collection was growing,
// since the copy needs one and a half times or twice what is there. So a stack in the middle of a
// growth is a cause, any other one tells where, and the histograms or the log beside it tell why.
//
// Rule      any stack of an OutOfMemoryError, in what the program printed, in a crash report or in
//           a thread dump; the line that met it most often speaks, the others are evidence.
// Silent    for errors without a stack (they are named with the full collections), and in class
//           histograms, where the class of that name is no error.
#include <algorithm>
#include <map>
#include <vector>

#include "base/format.h"
#include "diagnose/detectors/detectors.h"
#include "diagnose/detectors/jvm/growing.h"
#include "diagnose/detectors/jvm/jvm.h"

namespace ullage::diagnose {
namespace {

using evidence::Incident;
using evidence::OutOfMemory;

constexpr std::size_t kOthers = 3;

enum class Room { kHeap, kMetaspace, kDirect, kThreads, kSystem };

Room room_of(const std::string& what) {
  const auto has = [&what](const char* text) { return what.find(text) != std::string::npos; };
  if (has("Metaspace") || has("PermGen") || has("class space")) return Room::kMetaspace;
  if (has("irect buffer")) return Room::kDirect;
  if (has("native thread")) return Room::kThreads;
  if (has("insufficient memory") || has("Native memory") || has("swap space")) return Room::kSystem;
  return Room::kHeap;
}

// All that met one line, most often first.
struct Site {
  const OutOfMemory* first = nullptr;
  const evidence::Frame* user = nullptr;
  std::uint64_t count = 0;
};

std::vector<Site> sites_of(const Incident& incident) {
  std::vector<Site> sites;
  std::map<std::string, std::size_t> known;
  for (const OutOfMemory& error : incident.out_of_memory) {
    const evidence::Frame* user = jvm::user_frame(error.stack);
    if (!user) continue;
    const auto [entry, fresh] =
        known.try_emplace(user->function + ':' + std::to_string(user->line), sites.size());
    if (fresh) sites.push_back({&error, user, 0});
    sites[entry->second].count += error.count;
  }
  std::stable_sort(sites.begin(), sites.end(),
                   [](const Site& a, const Site& b) { return a.count > b.count; });
  return sites;
}

std::string remedy(Room room, const std::optional<jvm::Growing>& growing) {
  switch (room) {
    case Room::kMetaspace:
      return "find what makes classes without end (proxies, scripts, class loaders that are never "
             "let go), and bound it with -XX:MaxMetaspaceSize only then.";
    case Room::kDirect:
      return "release direct buffers when done (a pool, or Arena.close()), or raise "
             "-XX:MaxDirectMemorySize.";
    case Room::kThreads:
      return "bound the number of threads (a pool, virtual threads), or raise the limits of the "
             "container (pids.max, ulimit -u).";
    case Room::kSystem:
      return "give the container more memory than -Xmx: heap, metaspace, threads and direct "
             "buffers together; or lower -Xmx.";
    case Room::kHeap:
      break;
  }
  if (!growing) {
    return "find what fills the heap and bound it (a cache with a limit and a TTL, a queue with a "
           "capacity, listeners that are removed). -XX:+HeapDumpOnOutOfMemoryError shows who "
           "holds it.";
  }
  std::string text =
      "bound what is put in there; while it grows, the old array and the new one are "
      "alive together.";
  if (growing->with_size[0] != '\0') {
    text += " Where its size is known, give it at birth: " + std::string(growing->with_size) + ".";
  }
  return text + " Where it is not, keep a list of parts instead of one array.";
}

}  // namespace

void jvm_out_of_memory(const evidence::Evidence& evidence, const DetectorOptions&,
                       std::vector<Finding>& findings) {
  const Incident& incident = evidence.incident;
  if (!jvm::is_jvm(incident)) return;
  const std::vector<Site> sites = sites_of(incident);
  if (sites.empty()) return;
  const Site& top = sites.front();
  const OutOfMemory& error = *top.first;
  const Room room = room_of(error.what);
  std::optional<jvm::Growing> growing;
  if (room == Room::kHeap) growing = jvm::growing(error.stack);
  Finding finding;
  finding.severity = Severity::kError;
  finding.where = *top.user;
  finding.stack = error.stack;
  finding.growth = growing ? growing->growth : error.stack.front();
  finding.family = room != Room::kHeap ? "system" : growing ? "array" : "held";
  finding.symptom = room == Room::kHeap && !growing;
  finding.confidence = growing || room != Room::kHeap ? 0.85 : 0.6;
  finding.cost.events = top.count;
  finding.cost.events_unit = "errors";
  const std::string what = error.what.empty() ? "" : ": " + error.what;
  finding.title = growing ? "memory ran out while " + std::string(growing->what) + " grew" + what
                          : "memory ran out" + what;
  finding.evidence.push_back(jvm::at(incident, error.where) + ": " +
                             format_counted(top.count, "OutOfMemoryError") +
                             (error.thread.empty() ? "" : ", in thread \"" + error.thread + "\"") +
                             ", for an allocation in " + finding.growth.label() + " that " +
                             jvm::site_text(*top.user) + " asked for.");
  std::string others;
  for (std::size_t i = 1; i < sites.size() && i <= kOthers; ++i) {
    others += (others.empty() ? "" : ", ") + jvm::site_text(*sites[i].user);
  }
  if (!others.empty()) finding.evidence.push_back("It was met as well at " + others + ".");
  if (finding.symptom) {
    finding.evidence.push_back(
        "That is where the last byte was asked for; what fills the heap may be another place.");
  }
  finding.remedy = remedy(room, growing);
  finding.check =
      room == Room::kHeap ? jvm::kHistogramCommand : "jcmd PID VM.native_memory summary";
  findings.push_back(std::move(finding));
}

}  // namespace ullage::diagnose
