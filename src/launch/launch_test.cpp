// SPDX-License-Identifier: Apache-2.0
//
// Real commands under the real agent. Skipped where no agent was built.
#include "launch/launch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <thread>

#include "launch/collector.h"
#include "record/event.h"
#include "record/reader.h"
#include "record/recording_builder.h"

namespace ullage::launch {
namespace {

namespace fs = std::filesystem;
using record::Recording;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;

// About 600 000 events, and every Perl has it.
const char* const kManyStrings = "my @a; for (1..200000) { push @a, \"x\" x ($_ % 500); }";

class Launch : public testing::Test {
 protected:
  void SetUp() override {
    if (!find_agent().ok()) GTEST_SKIP() << "no agent was built: " << find_agent().error().message;
    std::string name = fs::temp_directory_path() / "ullage_launch.XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override {
    if (!folder_.empty()) fs::remove_all(folder_);
  }
  std::string at(const std::string& name) const { return folder_ + "/" + name; }
  LaunchOptions options(std::vector<std::string> command) const {
    LaunchOptions o;
    o.command = std::move(command);
    o.output = at("out.ulg");
    return o;
  }
  static LaunchReport run(const LaunchOptions& o) {
    Result<LaunchReport> r = launch(o);
    EXPECT_TRUE(r.ok()) << r.error().message;
    return r.ok() ? r.value() : LaunchReport{};
  }
  std::vector<std::string> files(const std::string& part) const {
    std::vector<std::string> found;
    for (const auto& e : fs::directory_iterator(folder_)) {
      const std::string name = e.path().filename();
      if (name.find(part) != std::string::npos) found.push_back(e.path());
    }
    return found;
  }
  static uint64_t events(const std::string& path) {
    std::string error;
    const auto r = Recording::open(path, error);
    EXPECT_NE(r, nullptr) << error;
    if (r == nullptr) return 0;
    EXPECT_THAT(r->notes(), IsEmpty());
    uint64_t count = 0;
    std::vector<uint8_t> bytes;
    for (const record::SegmentRef& s : r->segments()) {
      if (s.header.kind != static_cast<uint16_t>(record::Kind::kEvents)) continue;
      EXPECT_TRUE(r->payload(s, bytes, error)) << error;
      record::EventDecoder d(s.header, bytes.data(), bytes.size(), r->header().tick_shift);
      record::Event e;
      while (d.next(e)) ++count;
      EXPECT_FALSE(d.damaged());
    }
    return count;
  }
  // Waits for the world: false when it takes longer than anything here should.
  static bool eventually(const std::function<bool()>& condition) {
    for (int i = 0; i < 3000; ++i) {
      if (condition()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
  }
  // A program that makes the file "done" and stays until there is a file "go" is looked at twice
  // more before it may end, however slow or fast the machine is.
  void look_at_its_end(LaunchOptions& o) const {
    o.progress = [this, polls = 0](const Progress&) mutable {
      if (polls <= 2 && fs::exists(at("done")) && ++polls > 2) std::ofstream(at("go")) << "";
    };
  }
  std::string perl_stays() const {
    return " open(D, '>', '" + at("done") + "'); until (-e '" + at("go") +
           "') { select(undef, undef, undef, 0.01); }";
  }
  // A program of C that does this first and then stays; false when it can't be built.
  bool build_c(const std::string& name, const std::string& does, const std::string& flags) const {
    std::ofstream(at(name + ".c"))
        << "#include <fcntl.h>\n#include <string.h>\n#include <unistd.h>\nint main(void) { " << does
        << " close(open(\"" << at("done") << "\", O_CREAT | O_WRONLY, 0600)); while (access(\""
        << at("go") << "\", F_OK) != 0) usleep(10000); return 3; }";
    return std::system(
               ("cc -w " + flags + " -o " + at(name) + " " + at(name + ".c") + " 2>&1").c_str()) ==
           0;
  }

  std::string folder_;
};

TEST_F(Launch, RecordsACommandAndReportsItsExitCode) {
  const LaunchReport r = run(options({"sh", "-c", "exit 7"}));
  EXPECT_EQ(r.exit_code, 7);
  EXPECT_EQ(r.signal, 0);
  ASSERT_EQ(r.processes.size(), 1u);
  const RecordedProcess& p = r.processes[0];
  EXPECT_TRUE(p.root);
  EXPECT_EQ(p.path, at("out.ulg"));
  EXPECT_EQ(p.outcome, Outcome::kComplete);
  EXPECT_EQ(p.pid, r.root_pid);
  EXPECT_EQ(p.archive_bytes, fs::file_size(p.path));
  EXPECT_EQ(events(p.path), p.events);
  EXPECT_GT(p.events, 0u);
  EXPECT_THAT(r.notes, IsEmpty());
  EXPECT_EQ(fs::status(p.path).permissions(), fs::perms::owner_read | fs::perms::owner_write);
  EXPECT_EQ(files("").size(), 1u) << "a live file or part was left behind";
}

TEST_F(Launch, CompressesWhileTheProgramRunsAndLosesNoEvent) {
  LaunchOptions o = options({"perl", "-e", std::string(kManyStrings) + perl_stays()});
  look_at_its_end(o);
  uint64_t before_the_end = 0;
  o.progress = [&, look = o.progress](const Progress& p) {
    if (!fs::exists(at("go"))) before_the_end = std::max(before_the_end, p.raw_bytes);
    look(p);
  };
  const LaunchReport r = run(o);
  ASSERT_EQ(r.processes.size(), 1u);
  EXPECT_EQ(events(r.processes[0].path), r.processes[0].events);
  EXPECT_GT(r.processes[0].events, 300'000u);
  EXPECT_GT(before_the_end, 0u);
  EXPECT_GT(r.processes[0].rss_peak_bytes, 10u << 20) << "no mark was taken";
}

TEST_F(Launch, ReportsTheSignalThatEndedTheCommandAndKeepsWhatPrecedes) {
  const LaunchReport r = run(options({"perl", "-e", std::string(kManyStrings) + " kill 9, $$;"}));
  EXPECT_EQ(r.signal, SIGKILL);
  EXPECT_EQ(r.exit_code, 128 + SIGKILL);
  ASSERT_EQ(r.processes.size(), 1u);
  EXPECT_EQ(r.processes[0].state, static_cast<uint32_t>(record::State::kRecording));
  EXPECT_GT(events(at("out.ulg")), 300'000u);
}

TEST_F(Launch, GivesTheOutputToTheLastProgramOfTheRoot) {
  const LaunchReport r = run(options({"sh", "-c", "exec ls / >/dev/null"}));
  ASSERT_EQ(r.processes.size(), 2u);
  EXPECT_EQ(r.processes[0].path, at("out.ulg"));
  EXPECT_THAT(r.processes[0].program, HasSubstr("/ls"));
  EXPECT_EQ(r.processes[0].image, 1u);
  EXPECT_EQ(r.processes[1].path, at("out." + std::to_string(r.root_pid) + ".ulg"));
  EXPECT_EQ(r.processes[1].image, 0u);
  EXPECT_EQ(r.processes[1].state, static_cast<uint32_t>(record::State::kExecuted));
  EXPECT_GT(events(r.processes[1].path), 0u);
}

TEST_F(Launch, WritesOneRecordingPerProcess) {
  const LaunchReport r = run(options({"sh", "-c", "ls / >/dev/null; ls / >/dev/null; exit 0"}));
  int programs = 0;
  for (const RecordedProcess& p : r.processes) {
    EXPECT_EQ(p.outcome, Outcome::kComplete);
    EXPECT_TRUE(fs::exists(p.path));
    programs += p.program.find("/ls") != std::string::npos;
  }
  EXPECT_EQ(programs, 2);
  EXPECT_THAT(files(".live"), IsEmpty());
  EXPECT_THAT(files(".part"), IsEmpty());
}

TEST_F(Launch, LeavesAProcessThatOutlivesTheCommandAndFinishesItLater) {
  const std::string wait_for_its_file = "until ls " + folder_ + "/*.$!.*.live; do :; done";
  const LaunchReport r = run(options(
      {"sh", "-c", "exec >/dev/null 2>&1; sleep 1000 & " + wait_for_its_file + "; exit 0"}));
  const auto sleeper = std::find_if(r.processes.begin(), r.processes.end(), [](const auto& p) {
    return p.outcome == Outcome::kStillRunning;
  });
  ASSERT_NE(sleeper, r.processes.end());
  const std::string live = sleeper->path;
  const auto pid = static_cast<pid_t>(sleeper->pid);
  EXPECT_THAT(live, testing::EndsWith(".live"));
  EXPECT_THAT(r.notes, Contains(HasSubstr("still runs")));
  std::string error;
  EXPECT_NE(Recording::open(live, error), nullptr) << error;
  // It may have been between fork and exec: its own program's file is the newest.
  ASSERT_TRUE(eventually([&] { return files(".live").size() >= 1; }));
  Result<LaunchReport> running = finish(live);
  ASSERT_TRUE(running.ok()) << running.error().message;
  kill(pid, SIGKILL);
  // Whoever adopted it reaps it.
  ASSERT_TRUE(eventually([&] { return !fs::exists("/proc/" + std::to_string(pid) + "/exe"); }));
  for (const std::string& left : files(".live")) {
    Result<LaunchReport> done = finish(left);
    ASSERT_TRUE(done.ok()) << done.error().message;
    EXPECT_EQ(done->processes[0].outcome, Outcome::kComplete);
    events(done->processes[0].path);
  }
  EXPECT_THAT(files(".live"), IsEmpty());
}

TEST_F(Launch, WaitsForAllProcessesWhenAsked) {
  LaunchOptions o = options({"sh", "-c", "(sleep 0.3; ls / >/dev/null) >/dev/null 2>&1 & exit 0"});
  o.wait_all = true;
  const LaunchReport r = run(o);
  for (const RecordedProcess& p : r.processes) EXPECT_EQ(p.outcome, Outcome::kComplete) << p.path;
  EXPECT_THAT(files(".live"), IsEmpty());
}

TEST_F(Launch, PassesSigtermOnToTheCommand) {
  std::thread sender([&] {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, nullptr);
    eventually([&] { return fs::exists(at("ready")); });
    kill(getpid(), SIGTERM);
  });
  // The signal must find the main thread holding it back: the command starts within launch().
  const LaunchReport r = run(options(
      {"sh", "-c", "trap 'exit 9' TERM; : > " + at("ready") + "; while :; do sleep 0.05; done"}));
  sender.join();
  EXPECT_EQ(r.exit_code, 9);
}

TEST_F(Launch, SurvivesItsOwnDeathAndFinishCompletesTheRecording) {
  const pid_t parent = fork();
  ASSERT_GE(parent, 0);
  if (parent == 0) {
    // Runs on after its recorder was killed, until told to stop.
    (void)launch(options({"perl", "-e",
                          std::string(kManyStrings) + " until (-e '" + at("go") +
                              "') { select(undef, undef, undef, 0.01); }"}));
    _exit(0);
  }
  ASSERT_TRUE(
      eventually([&] { return !files(".ulg.part").empty() && files(".live").size() == 1; }));
  const std::string live = files(".live")[0];
  std::string error;
  ASSERT_TRUE(eventually([&] {  // all the strings are made
    const auto r = Recording::open(live, error);
    return r != nullptr && events(live) > 300'000;
  }));
  kill(parent, SIGKILL);
  waitpid(parent, nullptr, 0);
  const uint32_t pid = Recording::open(live, error)->header().pid;
  std::ofstream(at("go")) << "";
  ASSERT_TRUE(eventually([&] { return !fs::exists("/proc/" + std::to_string(pid) + "/exe"); }));
  const uint64_t before = events(live);
  Result<LaunchReport> r = finish(live.substr(0, live.find("." + std::to_string(pid) + ".0.live")));
  ASSERT_TRUE(r.ok()) << r.error().message;
  ASSERT_EQ(r->processes.size(), 1u);
  EXPECT_EQ(events(r->processes[0].path), before);
  EXPECT_EQ(r->processes[0].events, before);
  EXPECT_THAT(files(".live"), IsEmpty());
  EXPECT_THAT(files(".part"), IsEmpty());
}

TEST_F(Launch, ReplacesAnExistingOutputOnlyByACompleteOne) {
  std::ofstream(at("out.ulg")) << "old";
  LaunchOptions o = options({"sh", "-c", "grep -q old " + at("out.ulg")});
  EXPECT_EQ(run(o).exit_code, 0) << "the old file was gone while the command ran";
  EXPECT_GT(events(at("out.ulg")), 0u);
}

TEST_F(Launch, RefusesBeforeItStartsAnything) {
  LaunchOptions o = options({"touch", at("ran")});
  o.output = at("no/such/folder/out.ulg");
  EXPECT_THAT(launch(o).error().message, HasSubstr("no such folder"));
  o = options({"no-such-command"});
  EXPECT_EQ(launch(o).error().code, Code::kNotFound);
  o = options({"touch", at("ran")});
  o.max_bytes = 1000;
  EXPECT_THAT(launch(o).error().message, HasSubstr("too small"));
  o = options({"touch", at("ran")});
  o.agent_path = "/tmp/a b.so";
  EXPECT_EQ(launch(o).error().code, Code::kImpossible);
  EXPECT_THAT(files(""), IsEmpty());
}

TEST_F(Launch, SaysWhenTheAgentWasLostOnTheWay) {
  if (!build_c("still", "", "-static")) GTEST_SKIP() << "no compiler that links statically";
  LaunchOptions o = options({"sh", "-c", "exec " + at("still")});
  look_at_its_end(o);
  const LaunchReport r = run(o);
  EXPECT_EQ(r.exit_code, 3);
  EXPECT_THAT(r.notes, Contains(HasSubstr("replaced itself by still")));
}

TEST_F(Launch, OnAFullDiskKeepsWhatPrecedesAndFinishesWhenThereIsRoom) {
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {  // a mount namespace of its own: the small disk ends with it
    if (unshare(CLONE_NEWNS) != 0 || mount("", "/", "", MS_REC | MS_PRIVATE, nullptr) != 0 ||
        mount("tmpfs", folder_.c_str(), "tmpfs", 0, "size=16m") != 0) {
      _exit(77);
    }
    const LaunchReport r = run(options({"perl", "-e",
                                        std::string(kManyStrings) + " open(F, '>', '" + at("fill") +
                                            "'); while (syswrite(F, 'x' x 4096)) {}"}));
    if (r.exit_code != 0) _exit(1);  // the program does not notice
    if (r.processes.size() != 1 || r.processes[0].outcome != Outcome::kKeptLive) _exit(2);
    const std::string live = r.processes[0].path;
    const uint64_t kept = events(live);
    if (kept < 50'000 || kept != r.processes[0].events) _exit(4);
    if (r.notes.empty() || r.notes[0].find("--finish") == std::string::npos) _exit(5);
    if (finish(live).ok() || events(live) != kept) _exit(6);
    if (mount("", folder_.c_str(), "", MS_REMOUNT, "size=64m") != 0) _exit(7);
    const Result<LaunchReport> done = finish(live);
    if (!done.ok() || events(done->processes[0].path) != kept) _exit(8);
    _exit(HasFailure() ? 9 : 0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (WEXITSTATUS(status) == 77) GTEST_SKIP() << "may not mount";
  EXPECT_EQ(WEXITSTATUS(status), 0) << "the number of the check that failed";
}

TEST_F(Launch, SuspectsAnAllocatorThatItDoesNotSee) {
  if (!build_c("own", "memset(sbrk(100 << 20), 1, 100 << 20);", "")) GTEST_SKIP() << "no compiler";
  LaunchOptions o = options({at("own")});
  look_at_its_end(o);
  EXPECT_THAT(run(o).notes, Contains(HasSubstr("bring its own allocator")));
  fs::remove(at("done"));
  fs::remove(at("go"));
  // As much memory by malloc is no reason for suspicion.
  o = options({"perl", "-e", "$x = 'x' x 100e6;" + perl_stays()});
  look_at_its_end(o);
  EXPECT_THAT(run(o).notes, IsEmpty());
}

TEST(Finish, NeverReplacesARecordingByAnother) {
  std::string folder = fs::temp_directory_path() / "ullage_finish.XXXXXX";
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  const std::string live = folder + "/out.2147483600.0.live";
  const auto write = [&](uint64_t start_ns) {
    record::RecordingBuilder b;
    b.header().pid = 2147483600;  // beyond any pid
    b.header().start_monotonic_ns = start_ns;
    b.stream(1).alloc(0x1000, 64, b.stack({0x401000}));
    ASSERT_TRUE(b.write(live));
  };
  write(1);
  Result<LaunchReport> first = finish(folder + "/out");
  ASSERT_TRUE(first.ok()) << first.error().message;
  EXPECT_EQ(first->processes[0].path, folder + "/out.2147483600.0.ulg");
  write(2);  // the next program of the same process
  EXPECT_EQ(finish(live)->processes[0].path, folder + "/out.2147483600.0.2.ulg");
  write(1);  // its archive was complete when the recorder was killed
  EXPECT_THAT(finish(live).error().message, HasSubstr("exists already"));
  EXPECT_TRUE(fs::exists(live));
  EXPECT_FALSE(finish(folder + "/other").ok());
  fs::remove_all(folder);
}

TEST(LiveNames, AreThePrefixPidAndImage) {
  uint32_t pid = 0, image = 0;
  EXPECT_TRUE(parse_live_name("out.12ab.345.6.live", "out.12ab", pid, image));
  EXPECT_EQ(pid, 345u);
  EXPECT_EQ(image, 6u);
  for (const char* other :
       {"out.12ab.345.live", "out.12ab.345.6.ulg.part", "out.12abc.345.6.live", "out.12ab.x.6.live",
        "out.12ab..6.live", "out.12ab.345.6.7.live", ".live", ""}) {
    EXPECT_FALSE(parse_live_name(other, "out.12ab", pid, image)) << other;
  }
}

}  // namespace
}  // namespace ullage::launch
