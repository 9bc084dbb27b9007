// SPDX-License-Identifier: Apache-2.0
#include "trace/native/symbols.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <thread>

#include "trace/native/symbols_debian.h"

namespace ullage::trace {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

// Prints every stack that asks for memory while `watching`, as addresses within its own file.
// clang-format off
constexpr char kProgram[] = R"cpp(#include <execinfo.h>
#include <link.h>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <vector>
struct Order {
  long id;
  long lines[6];
};
static int watching;
static unsigned long base;
static int find_base(dl_phdr_info* info, size_t, void*) {
  base = info->dlpi_addr;
  return 1;
}
extern "C" __attribute__((noinline)) void report(int id) {
  void* pcs[64];
  const int count = backtrace(pcs, 64);
  std::printf("%d", id);
  for (int i = 1; i < count; ++i) std::printf(" %lx", (unsigned long)pcs[i] - base);
  std::printf("\n");
}
__attribute__((noinline)) void* operator new(std::size_t bytes) {
  if (watching) report(watching);
  return std::malloc(bytes);
}
void operator delete(void* block) noexcept { std::free(block); }
void operator delete(void* block, std::size_t) noexcept { std::free(block); }
namespace shop {
static inline __attribute__((always_inline)) void inlined_call(int id) {
  report(id);  // line:inner
  asm volatile("");
}
__attribute__((noinline)) int outer_function(int id) {
  inlined_call(id);  // line:outer
  asm volatile("");
  return id + 1;
}
__attribute__((noinline)) void fill(std::vector<Order>& orders) {
  for (long i = 0; i < 3; ++i) orders.push_back(Order{i, {}});  // line:push
}
}  // namespace shop
__attribute__((noinline)) static int hidden(int id) {
  report(id);
  asm volatile("");
  return id;
}
int main() {
  dl_iterate_phdr(find_base, nullptr);
  int sum = shop::outer_function(1);
  sum += hidden(3);
  auto lambda = [&](int id) __attribute__((noinline)) {
    report(id);
    asm volatile("");
  };
  lambda(4);
  std::vector<Order> orders;
  watching = 2;
  shop::fill(orders);
  watching = 0;
  return sum == 5 && orders.size() == 3 ? 0 : 1;
}
)cpp";
// clang-format on

int line_of(const std::string& marker) {
  std::istringstream source(kProgram);
  int number = 0;
  for (std::string line; std::getline(source, line);) {
    ++number;
    if (line.find("line:" + marker) != std::string::npos) return number;
  }
  return -1;
}

std::string run(const std::string& command) {
  std::string output;
  FILE* pipe = popen(("exec 2>&1; " + command).c_str(), "r");
  char buffer[4096];
  while (std::size_t count = std::fread(buffer, 1, sizeof buffer, pipe))
    output.append(buffer, count);
  const int status = pclose(pipe);
  EXPECT_EQ(status, 0) << command << "\n" << output;
  return output;
}

bool available(const std::string& tool) {
  return std::system(("command -v " + tool + " >/dev/null 2>&1").c_str()) == 0;
}

class SymbolsTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "ullage-symbols-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    dir = fs::canonical(name);
  }
  void TearDown() override { fs::remove_all(dir); }

  // Compiles the program and runs it; `stacks` has the return addresses by id.
  void build(const std::string& compiler_and_flags) {
    std::ofstream(dir / "shop.cpp") << kProgram;
    binary = dir / "shop";
    run("cd " + dir.string() + " && " + compiler_and_flags + " -Wl,--build-id shop.cpp -o shop");
    std::istringstream lines(run(binary));
    for (std::string line; std::getline(lines, line);) {
      std::istringstream words(line);
      int id = 0;
      words >> id;
      auto& stack = stacks.try_emplace(id).first->second;
      stack.clear();
      for (std::uint64_t pc = 0; words >> std::hex >> pc;)
        if (pc < kModuleBytes) stack.push_back(pc);
    }
    std::istringstream notes(run("readelf -n " + binary));
    for (std::string line; std::getline(notes, line);)
      if (const auto at = line.find("Build ID: "); at != std::string::npos)
        build_id = line.substr(at + 10);
    ASSERT_EQ(build_id.size(), 40U);
    ASSERT_GE(stacks[1].size(), 2U);
  }

  Symbolizer symbolizer(SymbolOptions options = {}) {
    return Symbolizer({{binary, build_id, 0, 0, kModuleBytes, 0}}, std::move(options));
  }

  // All frames of a stack, inlined ones included, innermost first.
  std::vector<evidence::Frame> frames(Symbolizer& symbols, int id) {
    symbols.resolve(stacks[id]);
    std::vector<evidence::Frame> all;
    for (std::uint64_t pc : stacks[id])
      all.insert(all.end(), symbols.frames(pc).begin(), symbols.frames(pc).end());
    return all;
  }
  const evidence::Frame* find(const std::vector<evidence::Frame>& all, const std::string& name) {
    for (const evidence::Frame& frame : all)
      if (frame.function == name) return &frame;
    return nullptr;
  }

  static constexpr std::uint64_t kModuleBytes = 1 << 24;
  fs::path dir;
  std::string binary, build_id;
  std::map<int, std::vector<std::uint64_t>> stacks;
};

// --- What compilers write --------------------------------------------------------------------

class SymbolsOfCompiler : public SymbolsTest, public testing::WithParamInterface<const char*> {};

TEST_P(SymbolsOfCompiler, NamesInlinedFramesLinesAndElements) {
  const std::string flags = GetParam();
  if (!available(flags.substr(0, flags.find(' ')))) GTEST_SKIP() << "not installed: " << flags;
  build(flags);
  Symbolizer symbols = symbolizer();

  const auto inlined = frames(symbols, 1);
  ASSERT_GE(inlined.size(), 3U);
  EXPECT_EQ(inlined[0].function, "shop::inlined_call");
  EXPECT_EQ(inlined[0].line, line_of("inner"));
  EXPECT_THAT(inlined[0].file, HasSubstr("shop.cpp"));
  EXPECT_TRUE(inlined[0].inlined);
  EXPECT_TRUE(inlined[0].exact);
  EXPECT_EQ(inlined[1].function, "shop::outer_function");
  EXPECT_EQ(inlined[1].line, line_of("outer"));
  EXPECT_FALSE(inlined[1].inlined);
  EXPECT_FALSE(inlined[1].library);
  EXPECT_EQ(inlined[1].module, "shop");
  EXPECT_EQ(inlined[2].function, "main");

  const auto growth = frames(symbols, 2);
  const evidence::Frame* user = find(growth, "shop::fill");
  ASSERT_NE(user, nullptr);
  EXPECT_EQ(user->line, line_of("push"));
  bool element_known = false;
  for (std::uint64_t pc : stacks[2]) {
    const Symbolizer::Element element = symbols.element(pc);
    if (element.bytes == 0) continue;
    element_known = true;
    EXPECT_EQ(element.bytes, 56U);
    EXPECT_EQ(element.type, "Order");
    EXPECT_EQ(element.container, "std::vector<Order>");
    EXPECT_EQ(element.source, "dwarf");
  }
  EXPECT_TRUE(element_known);

  const auto in_lambda = frames(symbols, 4);
  EXPECT_NE(find(in_lambda, flags.starts_with("clang") ? "main::$_0::operator()"
                                                       : "main::{lambda#1}::operator()"),
            nullptr)
      << in_lambda[0].function;
  EXPECT_TRUE(symbols.missing_debug().empty());
  EXPECT_TRUE(symbols.notes().empty());
}

INSTANTIATE_TEST_SUITE_P(Kinds, SymbolsOfCompiler,
                         testing::Values("g++ -O2 -g", "g++ -O0 -gdwarf-4 -no-pie",
                                         "g++ -O2 -g -gsplit-dwarf", "clang++ -O2 -g",
                                         "clang++ -O0 -gdwarf-4", "clang++ -O2 -g -gsplit-dwarf",
                                         "clang++ -O2 -g -stdlib=libc++"));

// --- Where the information is -----------------------------------------------------------------

TEST_F(SymbolsTest, SaysWhenAStrippedBinarysNearestNameIsAGuess) {
  build("g++ -O2 -rdynamic");
  run("strip " + binary);
  Symbolizer symbols = symbolizer();
  const auto exported = frames(symbols, 1);
  EXPECT_EQ(exported[0].function, "shop::outer_function");
  EXPECT_TRUE(exported[0].exact);
  EXPECT_TRUE(exported[0].file.empty());
  const auto hidden = frames(symbols, 3);
  EXPECT_FALSE(hidden[0].exact);
  EXPECT_GT(hidden[0].symbol_offset, 0U);
  EXPECT_THAT(hidden[0].label(), testing::StartsWith("~"));
  ASSERT_EQ(symbols.missing_debug().size(), 1U);
  EXPECT_EQ(symbols.missing_debug()[0], "shop");
}

TEST_F(SymbolsTest, GivesModuleAndOffsetWhenThereAreNoSymbolsAtAll) {
  build("g++ -O2");
  run("strip " + binary);
  Symbolizer symbols = symbolizer();
  const auto all = frames(symbols, 1);
  EXPECT_EQ(all[0].module, "shop");
  EXPECT_EQ(all[0].offset, stacks[1][0]);
  EXPECT_TRUE(all[0].function.empty() || !all[0].exact) << all[0].function;
}

TEST_F(SymbolsTest, FollowsADebuglinkBesideTheFileAndInItsDebugFolder) {
  build("g++ -O2 -g");
  run("cd " + dir.string() +
      " && objcopy --only-keep-debug shop shop.debug && strip shop && objcopy "
      "--add-gnu-debuglink=shop.debug shop");
  for (const char* folder : {"", ".debug/"}) {
    if (*folder != '\0') {
      fs::create_directory(dir / ".debug");
      fs::rename(dir / "shop.debug", dir / ".debug/shop.debug");
    }
    Symbolizer symbols = symbolizer();
    EXPECT_EQ(frames(symbols, 1)[0].line, line_of("inner")) << folder;
  }
}

TEST_F(SymbolsTest, RefusesADebuglinkToAnotherBuildsFile) {
  build("g++ -O2 -g");
  run("cd " + dir.string() +
      " && objcopy --only-keep-debug shop shop.debug && strip shop && objcopy "
      "--add-gnu-debuglink=shop.debug shop && printf x >> shop.debug");
  Symbolizer symbols = symbolizer();
  EXPECT_EQ(frames(symbols, 1)[0].line, 0);
}

TEST_F(SymbolsTest, FindsADebugFileByItsBuildIdInADebugDirectory) {
  build("g++ -O2 -g");
  const fs::path place = dir / "debug/.build-id" / build_id.substr(0, 2);
  fs::create_directories(place);
  run("objcopy --only-keep-debug " + binary + " " +
      (place / (build_id.substr(2) + ".debug")).string() + " && strip " + binary);
  Symbolizer without = symbolizer();
  EXPECT_EQ(frames(without, 1)[0].line, 0);
  Symbolizer with = symbolizer({.debuginfod = false, .debug_dirs = {(dir / "debug").string()}});
  EXPECT_EQ(frames(with, 1)[0].line, line_of("inner"));

  fs::remove(binary);  // the debug file alone is enough
  Symbolizer gone = symbolizer({.debuginfod = false, .debug_dirs = {(dir / "debug").string()}});
  EXPECT_EQ(frames(gone, 1)[0].line, line_of("inner"));
  EXPECT_TRUE(gone.notes().empty());
}

TEST_F(SymbolsTest, SaysThatSplitDebugInformationIsGoneAndKeepsTheLines) {
  build("g++ -O2 -g -gsplit-dwarf");
  for (const auto& entry : fs::directory_iterator(dir)) {
    if (entry.path().extension() == ".dwo") fs::remove(entry.path());
  }
  for (const bool packaged : {false, true}) {
    if (packaged) std::ofstream(dir / "shop.dwp") << "whatever is in there";
    Symbolizer symbols = symbolizer();
    const auto inlined = frames(symbols, 1);
    EXPECT_EQ(inlined[0].line, line_of("inner"));
    EXPECT_NE(find(inlined, "shop::outer_function"), nullptr);
    ASSERT_EQ(symbols.notes().size(), 1U);
    EXPECT_THAT(symbols.notes()[0], HasSubstr(binary + ": its split debug information"));
    EXPECT_THAT(symbols.notes()[0], HasSubstr(packaged ? "shop.dwp is there" : "Put them back"));
  }
}

TEST_F(SymbolsTest, ReadsMiniDebugInfo) {
  if (!available("xz") || !available("objcopy")) GTEST_SKIP() << "needs xz and objcopy";
  build("g++ -O2");
  run("cd " + dir.string() +
      " && objcopy --strip-debug shop mini && xz -k mini && strip shop && objcopy "
      "--add-section .gnu_debugdata=mini.xz shop");
  Symbolizer symbols = symbolizer();
  EXPECT_EQ(frames(symbols, 3)[0].function, "hidden");
  EXPECT_TRUE(frames(symbols, 3)[0].exact);
}

TEST_F(SymbolsTest, UsesNoNamesOfAFileThatChangedSinceTheRecording) {
  build("g++ -O2 -g");
  build_id[0] = build_id[0] == '0' ? '1' : '0';
  Symbolizer symbols = symbolizer();
  const auto all = frames(symbols, 1);
  EXPECT_EQ(all[0].function, "");
  EXPECT_EQ(all[0].module, "shop");
  EXPECT_EQ(all[0].offset, stacks[1][0]);
  ASSERT_EQ(symbols.notes().size(), 1U);
  EXPECT_THAT(symbols.notes()[0], HasSubstr("changed since the recording"));
}

TEST_F(SymbolsTest, SaysThatAFileIsGoneAndThatAnotherIsNoProgram) {
  binary = (dir / "nowhere").string();
  stacks[1] = {0x1234};
  Symbolizer gone = symbolizer();
  EXPECT_EQ(frames(gone, 1)[0].module, "nowhere");
  ASSERT_EQ(gone.notes().size(), 1U);
  EXPECT_THAT(gone.notes()[0], HasSubstr("is gone"));

  std::ofstream(dir / "nowhere") << "\x7f"
                                    "ELF and then nonsense";
  Symbolizer damaged = symbolizer();
  EXPECT_EQ(frames(damaged, 1)[0].function, "");
  ASSERT_EQ(damaged.notes().size(), 1U);
}

// --- Addresses -------------------------------------------------------------------------------

TEST_F(SymbolsTest, TellsApartModulesThatSharedAddressesAndAppliesTheBias) {
  build("g++ -O2 -g");
  constexpr std::uint64_t kBias = 0x7f0000000000, kOccupant = 3;
  Symbolizer symbols({{binary, build_id, kBias, kBias, kBias + kModuleBytes, kOccupant},
                      {(dir / "other").string(), "", kBias, kBias, kBias + kModuleBytes, 4}},
                     {});
  const std::uint64_t pc = stacks[1][0] + kBias;
  const std::vector<std::uint64_t> pcs = {pc | 4ull << 48, pc | kOccupant << 48, pc, pc};
  symbols.resolve(pcs);
  EXPECT_EQ(symbols.frames(pcs[1])[0].function, "shop::inlined_call");
  EXPECT_EQ(symbols.frames(pcs[1])[0].offset, stacks[1][0]);
  EXPECT_EQ(symbols.frames(pcs[0])[0].module, "other");
  EXPECT_EQ(symbols.frames(pcs[0])[0].function, "");
  EXPECT_EQ(symbols.frames(pc)[0].module, "") << "no module had occupant 0";
}

TEST(Symbols, AnswersWithOneNamelessFrameForWhatItWasNeverAsked) {
  Symbolizer symbols({}, {});
  EXPECT_EQ(symbols.frames(42).size(), 1U);
  EXPECT_EQ(symbols.element(42).bytes, 0U);
  const std::uint64_t pcs[] = {0, 1, ~std::uint64_t{0}};
  symbols.resolve(pcs);
  for (std::uint64_t pc : pcs) EXPECT_EQ(symbols.frames(pc).size(), 1U);
}

// --- Network ---------------------------------------------------------------------------------

// A debuginfod server that hangs up on everybody and counts them.
class CountingServer {
 public:
  CountingServer() {
    socket_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    ready_ = bind(socket_, reinterpret_cast<sockaddr*>(&address), length) == 0 &&
             listen(socket_, 8) == 0 &&
             getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &length) == 0;
    port_ = ntohs(address.sin_port);
    if (ready_)
      thread_ = std::thread([this] {
        for (int client; (client = accept4(socket_, nullptr, nullptr, SOCK_CLOEXEC)) >= 0;) {
          ++visitors_;
          close(client);
        }
      });
  }
  ~CountingServer() {
    shutdown(socket_, SHUT_RDWR);
    if (thread_.joinable()) thread_.join();
    close(socket_);
  }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  bool ready() const { return ready_; }
  int visitors() const { return visitors_; }

 private:
  int socket_ = -1;
  bool ready_ = false;
  int port_ = 0;
  std::atomic<int> visitors_ = 0;
  std::thread thread_;
};

TEST_F(SymbolsTest, AsksADebuginfodServerOnlyWhenToldTo) {
  // libdw reads its environment when it is loaded, so the question is put to a fresh process.
  if (const char* child = std::getenv("ULLAGE_TEST_SYMBOLS_OF"); child != nullptr) {
    binary = child;
    build_id = std::getenv("ULLAGE_TEST_BUILD_ID");
    stacks[1] = {0x1200};
    Symbolizer symbols =
        symbolizer({.debuginfod = std::getenv("ULLAGE_TEST_ASK") != nullptr, .debug_dirs = {}});
    EXPECT_EQ(frames(symbols, 1).size(), 1U);
    return;
  }
  build("g++ -O2");
  run("strip " + binary);
  CountingServer server;
  ASSERT_TRUE(server.ready());
  const std::string again = "DEBUGINFOD_URLS=" + server.url() + " DEBUGINFOD_TIMEOUT=2 " +
                            "DEBUGINFOD_CACHE_PATH=" + (dir / "cache").string() +
                            " no_proxy=127.0.0.1 NO_PROXY=127.0.0.1 " +
                            " ULLAGE_TEST_SYMBOLS_OF=" + binary +
                            " ULLAGE_TEST_BUILD_ID=" + build_id;
  const std::string self = fs::read_symlink("/proc/self/exe").string() +
                           " --gtest_filter=SymbolsTest.AsksADebuginfodServerOnlyWhenToldTo";
  run(again + " " + self);
  EXPECT_EQ(server.visitors(), 0);
  if (std::system("ldconfig -p 2>/dev/null | grep -q libdebuginfod.so.1") != 0)
    GTEST_SKIP() << "no libdebuginfod: the other half needs it";
  run(again + " ULLAGE_TEST_ASK=1 " + self);
  EXPECT_GT(server.visitors(), 0);
}

// --- Debian ----------------------------------------------------------------------------------

TEST_F(SymbolsTest, NamesTheDebianPackageWithTheDebugInformation) {
  const fs::path lists = dir / "info";
  fs::create_directory(lists);
  std::ofstream(lists / "libfoo1:amd64.list") << "/.\n/usr/lib/libfoo.so.1\n";
  std::ofstream(lists / "python3.11-minimal.list") << "/usr/bin/python3.11\n";
  std::ofstream(lists / "libc6:amd64.list") << "/lib/x86_64-linux-gnu/libnothere.so.6\n";
  EXPECT_THAT(debian_debug_packages({"/usr/lib/libfoo.so.1", "/usr/bin/python3.11", "/opt/own",
                                     "/usr/lib/x86_64-linux-gnu/libnothere.so.6"},
                                    lists.string()),
              testing::ElementsAre("libfoo1-dbgsym", "python3.11-minimal-dbgsym", "", "libc6-dbg"));
}

}  // namespace
}  // namespace ullage::trace
