-- Requests of a file, at random or, of one thread, in turn. A line is, with tabs between: method,
-- path, headers, body.

local threads = {}

function setup(thread)
  thread:set("id", #threads)
  threads[#threads + 1] = thread
end

function init(args)
  math.randomseed(tonumber(args[2]) * 100 + id)
  in_turn = args[3] == "in-turn"
  sent = 0
  requests = {}
  for line in io.lines(args[1]) do
    local fields = {}
    for field in (line .. "\t"):gmatch("(.-)\t") do fields[#fields + 1] = field end
    local headers = {}
    for n = 3, #fields - 1 do
      local name, value = fields[n]:match("^(.-): (.*)$")
      headers[name] = value
    end
    local body = fields[#fields]
    requests[#requests + 1] = wrk.format(fields[1], fields[2], headers, body ~= "" and body or nil)
  end
end

function request()
  sent = sent + 1
  return requests[in_turn and math.min(sent, #requests) or math.random(#requests)]
end

function done(summary, latency, _)
  local errors = summary.errors
  -- Not its timeouts: wrk takes a connection that has not asked yet for one that waits since 1970.
  local failed = errors.connect + errors.read + errors.write + errors.status
  local sent = 0
  for _, thread in ipairs(threads) do sent = sent + thread:get("sent") end
  io.write(string.format(
    'RESULT {"per_second": %f, "p50_ms": %f, "p95_ms": %f, "requests": %d, "failed": %d, "sent": %d}\n',
    summary.requests / summary.duration * 1e6,
    latency:percentile(50) / 1000, latency:percentile(95) / 1000, summary.requests, failed, sent
  ))
end
