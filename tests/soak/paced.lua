-- Gets a task again and again, each connection with a pause of about THINK_MS between an answer and the next request.
local think = tonumber(os.getenv("THINK_MS"))
local path = os.getenv("REQUEST_PATH")
local headers = { Authorization = "Bearer " .. os.getenv("TOKEN") }

function request()
  return wrk.format("GET", path, headers)
end

if think > 0 then
  function delay()
    return think * (0.5 + math.random())
  end
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format('RESULT {"answers": %d, "refused": %d, "lost": %d, "seconds": %.3f}\n', summary.requests,
    errors.status, errors.connect + errors.read + errors.write + errors.timeout, summary.duration / 1e6))
end
