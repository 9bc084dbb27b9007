// SPDX-License-Identifier: Apache-2.0
//
// replay_main: runs a fuzz target without libFuzzer, so that every compiler and every `make test`
// exercises it. Each file of the corpus folder is fed as it is, cut short, and with bytes changed;
// the changes come from a fixed seed, so a failure repeats. Names the input before it feeds it when
// ULLAGE_FUZZ_VERBOSE is set.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

using Bytes = std::vector<std::uint8_t>;

// Changed copies per run, shared by all corpus files: about a second for a parser of small inputs.
constexpr std::size_t kMutationsTotal = 4000;
// At most this many bytes are changed in one copy; more looks like noise and dies at the magic.
constexpr unsigned kChangedBytesMax = 8;
// A corpus file is fed at most this far; larger ones belong into testdata, not into a corpus.
constexpr std::size_t kInputBytesMax = 1U << 20;

const bool verbose = std::getenv("ULLAGE_FUZZ_VERBOSE") != nullptr;

void feed(const Bytes& input, const std::string& name) {
  if (verbose) std::fprintf(stderr, "%s (%zu B)\n", name.c_str(), input.size());
  LLVMFuzzerTestOneInput(input.data(), input.size());
}

Bytes read_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  Bytes bytes{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  if (bytes.size() > kInputBytesMax) bytes.resize(kInputBytesMax);
  return bytes;
}

Bytes mutated(Bytes bytes, std::mt19937& random) {
  static constexpr std::uint8_t kEdges[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
  if (bytes.empty() || random() % 4 == 0) bytes.resize(random() % (bytes.size() + 64));
  if (bytes.empty()) return bytes;
  for (unsigned i = 1 + random() % kChangedBytesMax; i > 0; --i) {
    std::uint8_t& byte = bytes[random() % bytes.size()];
    byte =
        random() % 2 ? kEdges[random() % std::size(kEdges)] : static_cast<std::uint8_t>(random());
  }
  return bytes;
}

}  // namespace

int main(int argc, char** argv) {
  namespace fs = std::filesystem;
  std::vector<fs::path> files;
  for (int i = 1; i < argc; ++i) {
    if (fs::is_regular_file(argv[i])) files.emplace_back(argv[i]);
    if (!fs::is_directory(argv[i])) continue;
    for (const auto& entry : fs::recursive_directory_iterator(argv[i])) {
      if (entry.is_regular_file()) files.push_back(entry.path());
    }
  }
  std::sort(files.begin(), files.end());

  std::vector<Bytes> corpus{{}};
  for (const fs::path& file : files) corpus.push_back(read_file(file));
  const std::size_t mutations_each = kMutationsTotal / corpus.size() + 1;
  std::mt19937 random(20240229);
  for (std::size_t i = 0; i < corpus.size(); ++i) {
    const std::string name = i == 0 ? "(empty)" : files[i - 1].string();
    feed(corpus[i], name);
    for (std::size_t m = 0; m < mutations_each; ++m) {
      feed(mutated(corpus[i], random), name + " mutation " + std::to_string(m));
    }
  }
  std::printf("%zu files, %zu mutations each: no crash\n", files.size(), mutations_each);
  return 0;
}
