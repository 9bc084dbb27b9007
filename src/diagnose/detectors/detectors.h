// SPDX-License-Identifier: Apache-2.0
#pragma once

// The functions behind the registry (detectors.def). Each reads the evidence and adds its findings;
// none knows of another, none prints. Ranking, fingerprints and folding happen in diagnose().

#include "diagnose/finding.h"

namespace ullage::diagnose {

#define ULLAGE_DETECTOR(function, name, summary)                                    \
  void function(const evidence::Evidence& evidence, const DetectorOptions& options, \
                std::vector<Finding>& findings);
#include "diagnose/detectors/detectors.def"
#undef ULLAGE_DETECTOR

}  // namespace ullage::diagnose
