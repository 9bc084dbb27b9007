// SPDX-License-Identifier: Apache-2.0
// Misses of well-known policies on the same trace, as published: what libCacheSim's own test
// expects (test/test_evictionAlgo.c, cloudPhysicsIO.vscsi, sizes in bytes).
#pragma once

namespace eviction {

struct Published {
  unsigned mib;
  double lru, arc, s3_fifo, lirs, belady;
};
inline constexpr Published kPublished[] = {
    {128, 93374, 90252, 89307, 89819, 79256}, {256, 89783, 85861, 82387, 79237, 70724},
    {384, 83572, 78168, 77041, 73143, 65481}, {512, 81722, 74297, 76791, 70363, 61594},
    {640, 72494, 67381, 71300, 68405, 59645}, {768, 72104, 65685, 70343, 64494, 57599},
    {896, 71972, 64439, 70455, 58640, 50873}, {1024, 71704, 64772, 70355, 53924, 48974},
};

}  // namespace eviction
