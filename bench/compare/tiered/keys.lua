-- SPDX-License-Identifier: Apache-2.0
-- wrk ... -- PATH NAMES: GET of PATH with a name of the file NAMES, at random, in place of %s.
local requests, errors = {}, 0

function init(args)
  local with_key = args[1]:find("%%s") ~= nil
  for name in io.lines(args[2]) do
    requests[#requests + 1] = wrk.format("GET", with_key and args[1]:gsub("%%s", name) or args[1])
    if not with_key then break end
  end
end

function request()
  return requests[math.random(#requests)]
end

function done(summary, latency)
  for _, count in pairs(summary.errors) do errors = errors + count end
  io.write(string.format("wrk_requests %d\nwrk_seconds %f\nwrk_errors %d\n", summary.requests,
                         summary.duration / 1e6, errors))
  io.write(string.format("wrk_p50_us %d\nwrk_p99_us %d\n", latency:percentile(50),
                         latency:percentile(99)))
end
