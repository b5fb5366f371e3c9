-- wrk's script: POST one file again and again. Arguments: the file, and how long its JSON is where tensors stand behind it.
function init(given)
  local file = assert(io.open(given[1], "rb"))
  wrk.method, wrk.body = "POST", file:read("*a")
  wrk.headers["Content-Type"] = given[2] and "application/octet-stream" or "application/json"
  wrk.headers["Inference-Header-Content-Length"] = given[2]
end

function done(summary)
  local faults = summary.errors
  local wrong = faults.status + faults.connect + faults.read + faults.write + faults.timeout
  io.write(string.format("counted %d %d %d\n", summary.requests, summary.duration, wrong))
end
