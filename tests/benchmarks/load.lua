-- What wrk sends and expects, told by the environment; at the end one line of JSON. An answer counts as wrong that has
-- another status than EXPECTED_STATUS, or, where EXPECTED_LENGTH is set, a body of another length.
local method, path, body = os.getenv("METHOD"), os.getenv("REQUEST_PATH"), os.getenv("BODY")
local first, count = tonumber(os.getenv("FIRST_ID")), tonumber(os.getenv("ID_COUNT"))
local status, length = tonumber(os.getenv("EXPECTED_STATUS")), tonumber(os.getenv("EXPECTED_LENGTH"))
local headers = { Authorization = "Bearer " .. os.getenv("TOKEN") }
headers["If-None-Match"] = os.getenv("CONDITION")
if body then headers["Content-Type"] = "application/json" end

local threads = {}

function setup(thread)
  table.insert(threads, thread)
end

wrong, sent = 0, 0

function request()
  local target = path
  if count > 0 then
    target = path .. "/" .. string.format("%d", first + sent % count)
    sent = sent + 1
  end
  return wrk.format(method, target, headers, body)
end

function response(code, _, content)
  if code ~= status or (length and #content ~= length) then wrong = wrong + 1 end
end

function done(summary, latency)
  local errors = summary.errors
  local bad = errors.connect + errors.read + errors.write + errors.timeout
  for _, thread in ipairs(threads) do bad = bad + thread:get("wrong") end
  io.write(string.format(
    'RESULT {"requests": %d, "seconds": %.6f, "p50_ms": %.3f, "p95_ms": %.3f, "p99_ms": %.3f, "wrong": %d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(95) / 1e3,
    latency:percentile(99) / 1e3, bad))
end
