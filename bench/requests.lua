-- Requests at random from a file: a path a line and, after a tab, the ETag the client has.

local threads = 0

function setup(thread)
  thread:set("id", threads)
  threads = threads + 1
end

function init(args)
  math.randomseed(tonumber(args[2]) * 100 + id)
  requests = {}
  for line in io.lines(args[1]) do
    local path, etag = line:match("^(.-)\t(.*)$")
    local headers = {}
    if etag ~= "" then headers["If-None-Match"] = etag end
    requests[#requests + 1] = wrk.format("GET", path, headers)
  end
end

function request()
  return requests[math.random(#requests)]
end

function done(summary, latency, _)
  local errors = summary.errors
  -- Not its timeouts: wrk takes a connection that has not asked yet for one that waits since 1970.
  local failed = errors.connect + errors.read + errors.write + errors.status
  io.write(string.format(
    'RESULT {"per_second": %f, "p50_ms": %f, "p95_ms": %f, "requests": %d, "failed": %d}\n',
    summary.requests / summary.duration * 1e6,
    latency:percentile(50) / 1000, latency:percentile(95) / 1000, summary.requests, failed
  ))
end
