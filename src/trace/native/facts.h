// SPDX-License-Identifier: Apache-2.0
#pragma once

// Facts: what a recording says about the process and about itself, in evidence's words.

#include "evidence/evidence.h"
#include "record/reader.h"
#include "trace/native/linker.h"
#include "trace/native/load.h"
#include "trace/native/stream.h"

namespace ullage::trace {

// Everything of Evidence but the sites.
void fill_facts(const record::Recording& recording, const Loaded& loaded,
                const StreamDamage& damage, const Linker& linker, evidence::Evidence& out);

// The names of the threads that growth sites, container sites and links tell of.
void fill_thread_names(const Linker& linker, evidence::Evidence& out);

// Whether most of what the sites show has neither name nor line: worth a word to the user.
bool mostly_unnamed(const evidence::Evidence& evidence);

}  // namespace ullage::trace
