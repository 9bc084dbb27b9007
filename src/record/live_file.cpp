// SPDX-License-Identifier: Apache-2.0
#include "record/live_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace ullage::record {
namespace {

// Raw calls: the agent interposes mmap and munmap, and must not meet itself here.
void* map_shared(int fd, size_t bytes, uint64_t offset, int flags) {
  return reinterpret_cast<void*>(syscall(SYS_mmap, nullptr, bytes, PROT_READ | PROT_WRITE,
                                         MAP_SHARED | flags, fd, static_cast<off_t>(offset)));
}

constexpr int kMadvPopulateWrite = 23;  // MADV_POPULATE_WRITE, Linux 5.14

// Programs that daemonise close every small descriptor; a high one is seldom in the way.
int move_high(int fd) {
  rlimit limit{};
  int from = 3;
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur > 64) {
    const rlim_t top = limit.rlim_cur < 65536 ? limit.rlim_cur : 65536;
    from = static_cast<int>(top) - 32;
  }
  const int high = fcntl(fd, F_DUPFD_CLOEXEC, from);
  if (high < 0) return fd;
  close(fd);
  return high;
}

// The magic comes last: a header that a kill cut short is not taken for one.
void write_header(SegmentHeader* segment, const SegmentHeader& initial, uint64_t offset,
                  uint32_t bytes, uint32_t flags) {
  SegmentHeader head = initial;
  head.offset = offset;
  head.bytes = bytes;
  head.payload_bytes = head.raw_bytes = bytes - sizeof(SegmentHeader);
  head.version = 1;
  head.flags = flags;
  head.magic = 0;
  __atomic_store_n(&segment->magic, 0, __ATOMIC_RELEASE);
  memcpy(segment, &head, sizeof head);
  __atomic_store_n(&segment->magic, kSegmentMagic, __ATOMIC_RELEASE);
}

}  // namespace

bool LiveFile::create(const char* path, const FileHeader& initial) {
  const size_t length = strlen(path);
  if (length >= sizeof path_) {
    errno = ENAMETOOLONG;
    return false;
  }
  const int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return false;
  struct stat st {};
  int error = posix_fallocate(fd, 0, kFileHeaderBytes);
  void* map = MAP_FAILED;
  if (error == 0 && fstat(fd, &st) == 0) map = map_shared(fd, kFileHeaderBytes, 0, 0);
  if (map == MAP_FAILED) {
    if (error == 0) error = errno;
    close(fd);
    unlink(path);
    errno = error;
    return false;
  }
  memcpy(path_, path, length + 1);
  device_ = st.st_dev;
  inode_ = st.st_ino;
  header_ = static_cast<FileHeader*>(map);
  memcpy(map, &initial, sizeof initial);
  header_->file_bytes = kFileHeaderBytes;
  next_.store(kFileHeaderBytes);
  fd_.store(move_high(fd));
  return true;
}

// True when fd_ still names our file. A program may have closed it and opened its own in its place:
// writing there would be unforgivable, so the identity is checked before each use (once a segment).
bool LiveFile::own_descriptor() {
  struct stat st {};
  const int fd = fd_.load();
  if (fd >= 0 && fstat(fd, &st) == 0 && st.st_dev == device_ && st.st_ino == inode_) return true;
  const int again = open(path_, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
  if (again < 0) return false;
  if (fstat(again, &st) != 0 || st.st_dev != device_ || st.st_ino != inode_) {
    close(again);
    return false;
  }
  fd_.store(move_high(again));
  return true;
}

// Tells readers that nothing lies there: what is zero, somebody may yet fill. Best effort.
void LiveFile::fill(uint64_t from, uint64_t to) {
  SegmentHeader h{};
  h.magic = kSegmentMagic;
  h.kind = static_cast<uint16_t>(Kind::kFiller);
  h.version = 1;
  h.offset = from;
  h.bytes = static_cast<uint32_t>(to - from);
  h.payload_bytes = h.raw_bytes = h.bytes - static_cast<uint32_t>(sizeof h);
  h.flags = kSegmentFull;
  if (syscall(SYS_pwrite64, fd_.load(), &h, sizeof h, from) != sizeof h) return;
}

// Takes the next `bytes` of the file and has the disk give them. False: *why says what was met, and
// the file is as it was, so that a smaller claim may still fit.
bool LiveFile::take(uint32_t bytes, Place* place, Claim* why) {
  rlimit limit{};
  const bool limited = getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY;
  place->before = next_.load();
  do {
    place->offset =
        bytes < kSegmentBytesMax ? place->before : (place->before + bytes - 1) / bytes * bytes;
    if (limited && place->offset + bytes > limit.rlim_cur) {
      *why = Claim::kSizeLimit;  // asking the kernel would raise SIGXFSZ in the program
      return false;
    }
  } while (!next_.compare_exchange_weak(place->before, place->offset + bytes));
  const int error = posix_fallocate(fd_.load(), static_cast<off_t>(place->offset), bytes);
  if (error == 0) return true;
  if (error == ENOSPC || error == EDQUOT) *why = Claim::kDiskFull;
  give_back(bytes, *place);
  return false;
}

// What the disk gave of it goes back, too. If another thread has claimed since, a gap stays behind.
void LiveFile::give_back(uint32_t bytes, const Place& place) {
  syscall(SYS_fallocate, fd_.load(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, place.offset,
          static_cast<off_t>(bytes));
  uint64_t after = place.offset + bytes;
  next_.compare_exchange_strong(after, place.before);
}

SegmentHeader* LiveFile::claim(uint32_t bytes, const SegmentHeader& initial, bool populate,
                               Claim* why) {
  const int saved = errno;
  *why = Claim::kError;
  SegmentHeader* segment = nullptr;
  Place place{};
  if (header_ != nullptr && own_descriptor() && take(bytes, &place, why)) {
    void* map = map_shared(fd_.load(), bytes, place.offset, 0);
    if (map == MAP_FAILED) {
      give_back(bytes, place);
    } else {
      if (place.before != place.offset) fill(place.before, place.offset);
      // MAP_POPULATE would map a shared page to be read only: its first write faults all the
      // same. Older kernels say EINVAL, and pages are made ready one by one.
      if (bytes >= kSegmentBytesMax) madvise(map, bytes, MADV_HUGEPAGE);
      if (populate) syscall(SYS_madvise, map, bytes, kMadvPopulateWrite);
      segment = static_cast<SegmentHeader*>(map);
      madvise(map, bytes, MADV_DONTFORK);  // a child has its own file
      write_header(segment, initial, place.offset, bytes, 0);
      const uint64_t end = place.offset + bytes;
      uint64_t seen = __atomic_load_n(&header_->file_bytes, __ATOMIC_RELAXED);
      while (seen < end && !__atomic_compare_exchange_n(&header_->file_bytes, &seen, end, true,
                                                        __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
      }
      *why = Claim::kOk;
    }
  }
  errno = saved;
  return segment;
}

void LiveFile::finish(SegmentHeader* segment) {
  if (segment == nullptr) return;
  const int saved = errno;
  const uint32_t bytes = segment->bytes;
  __atomic_or_fetch(&segment->flags, static_cast<uint32_t>(kSegmentFull), __ATOMIC_RELEASE);
  syscall(SYS_munmap, segment, bytes);
  errno = saved;
}

void LiveFile::finish_events(SegmentHeader* segment, const uint8_t* end) {
  segment->payload_bytes = static_cast<uint32_t>(end - reinterpret_cast<uint8_t*>(segment + 1));
  bool kept = false;
  for (int i = 0; segment->bytes == kSegmentBytesMax && !kept && i < kKeptMax; ++i) {
    SegmentHeader* none = nullptr;
    kept = kept_[i].compare_exchange_strong(none, segment);
  }
  if (!kept) return finish(segment);
  __atomic_or_fetch(&segment->flags, static_cast<uint32_t>(kSegmentFull | kSegmentKept),
                    __ATOMIC_RELEASE);
}

SegmentHeader* LiveFile::take_kept(const SegmentHeader& initial) {
  for (std::atomic<SegmentHeader*>& kept : kept_) {
    SegmentHeader* segment = kept.load();
    if (segment == nullptr) continue;
    if ((__atomic_load_n(&segment->flags, __ATOMIC_ACQUIRE) & kSegmentDropped) == 0) continue;
    if (!kept.compare_exchange_strong(segment, nullptr)) continue;  // another thread was faster
    if ((__atomic_load_n(&segment->flags, __ATOMIC_ACQUIRE) & kSegmentDropped) == 0) {
      // ... and has filled it again since. Where its place is taken by now, it is not used again.
      SegmentHeader* none = nullptr;
      kept.compare_exchange_strong(none, segment);
      continue;
    }
    *reinterpret_cast<uint8_t*>(segment + 1) = static_cast<uint8_t>(Tag::kEnd);
    write_header(segment, initial, segment->offset, segment->bytes, kSegmentReused);
    return segment;
  }
  return nullptr;
}

FileHeader* LiveFile::take_header() {
  FileHeader* header = header_;
  header_ = nullptr;
  return header;
}

void LiveFile::forget() {
  const int fd = fd_.exchange(-1);
  struct stat st {};
  if (fd >= 0 && fstat(fd, &st) == 0 && st.st_dev == device_ && st.st_ino == inode_) close(fd);
  if (header_ != nullptr) syscall(SYS_munmap, header_, kFileHeaderBytes);
  header_ = nullptr;
  for (std::atomic<SegmentHeader*>& kept : kept_) kept.store(nullptr);  // the child never had them
  next_.store(0);
  path_[0] = 0;
}

}  // namespace ullage::record
