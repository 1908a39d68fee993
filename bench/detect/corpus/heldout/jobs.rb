# Runs jobs and keeps a result of each: all of them (KEEP=0) or the last KEEP.
keep = ENV.fetch("KEEP", "0").to_i
bytes = ENV.fetch("BYTES", "4000").to_i
rate = ENV.fetch("RATE", "20").to_f
progress = ENV["PROGRESS"] && File.open(ENV["PROGRESS"], "w")
results = []
clock = -> { Process.clock_gettime(Process::CLOCK_MONOTONIC) }
started = clock.call
(1..).each do |number|
  garbage = Array.new(300) { |index| "row #{number} #{index}" }
  results << { id: number, size: garbage.sum(&:size), body: Random.bytes(bytes) }
  results.shift if keep > 0 && results.size > keep
  progress&.pwrite(number.to_s, 0)
  early = number / rate - (clock.call - started)
  sleep early if early > 0
end
