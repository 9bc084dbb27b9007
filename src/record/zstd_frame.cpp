// SPDX-License-Identifier: Apache-2.0
#include "record/zstd_frame.h"

#include <zstd.h>

#include <algorithm>
#include <memory>

namespace ullage::record {
namespace {

// Frames that want a larger window than 8 MiB are refused: a writer's segment has at most 2 MiB.
constexpr int kWindowLogMax = 23;
// No zstd frame unpacks to more than 128 KiB per 4 bytes. What a header claims beyond that is not
// allocated.
constexpr size_t kExpansionMax = 32768;

struct FreeDecompressor {
  void operator()(ZSTD_DCtx* c) const { ZSTD_freeDCtx(c); }
};
struct FreeCompressor {
  void operator()(ZSTD_CCtx* c) const { ZSTD_freeCCtx(c); }
};

ZSTD_DCtx* decompressor() {
  thread_local std::unique_ptr<ZSTD_DCtx, FreeDecompressor> context(ZSTD_createDCtx());
  return context.get();
}

ZSTD_CCtx* compressor() {
  thread_local std::unique_ptr<ZSTD_CCtx, FreeCompressor> context(ZSTD_createCCtx());
  return context.get();
}

}  // namespace

Unpacked unpack_frame(const uint8_t* frame, size_t bytes, size_t raw_bytes,
                      std::vector<uint8_t>& out) {
  out.clear();
  ZSTD_DCtx* context = decompressor();
  if (context == nullptr) return Unpacked::kDamaged;
  ZSTD_DCtx_reset(context, ZSTD_reset_session_and_parameters);
  ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, kWindowLogMax);
  // A frame that is whole and says its size goes through zstd's one-pass path, straight into `out`.
  // One more byte than promised tells a frame that holds more.
  out.resize(std::min(raw_bytes, bytes * kExpansionMax) + 1);
  ZSTD_inBuffer in{frame, bytes, 0};
  ZSTD_outBuffer to{out.data(), out.size(), 0};
  for (;;) {
    const size_t in_before = in.pos, out_before = to.pos;
    const size_t rest = ZSTD_decompressStream(context, &to, &in);
    if (ZSTD_isError(rest) || to.pos > raw_bytes) {
      out.clear();
      return Unpacked::kDamaged;
    }
    if (rest == 0) {
      out.resize(to.pos);
      return to.pos == raw_bytes ? Unpacked::kWhole : Unpacked::kDamaged;
    }
    if (in.pos == in_before && to.pos == out_before) {
      if (to.pos == to.size) return Unpacked::kDamaged;
      out.resize(to.pos);
      return Unpacked::kCut;
    }
  }
}

bool pack_frame(const uint8_t* raw, size_t bytes, int level, std::vector<uint8_t>& out) {
  ZSTD_CCtx* context = compressor();
  if (context == nullptr) return false;
  ZSTD_CCtx_reset(context, ZSTD_reset_session_and_parameters);
  ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level);
  ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
  const size_t before = out.size();
  out.resize(before + ZSTD_compressBound(bytes));
  const size_t packed =
      ZSTD_compress2(context, out.data() + before, out.size() - before, raw, bytes);
  if (ZSTD_isError(packed)) {
    out.resize(before);
    return false;
  }
  out.resize(before + packed);
  return true;
}

}  // namespace ullage::record
