-- A tour of what an interpreter leans on: closures, coroutines, errors, strings, files, collection.
local function sieve(limit)
  local composite, primes = {}, {}
  for i = 2, limit do
    if not composite[i] then
      primes[#primes + 1] = i
      for j = i * i, limit, i do composite[j] = true end
    end
  end
  return primes
end
local primes = sieve(100000)
print(_VERSION, #primes, primes[#primes])

local produce = coroutine.wrap(function()
  local a, b = 0, 1
  while true do
    coroutine.yield(a)
    a, b = b, a + b
  end
end)
local fibonacci = {}
for i = 1, 12 do fibonacci[i] = produce() end
print(table.concat(fibonacci, " "))

print(pcall(error, { code = 7 }) == false, select(2, pcall(error, "boom", 0)))
local depth = 0
local function fall() depth = depth + 1; return 1 + fall() end
local ok, message = pcall(fall)
print(ok, message:match("stack overflow"), depth > 1000)
print(select(2, xpcall(function() return nil + 1 end, function(m) return (m:gsub("^.-:%d+: ", "")) end)))

print(("%5.2f|%-6s|%05d|%x|%q"):format(math.pi, "left", 42, 48879, "a\nb"))
print(("one two  three"):gsub("(%w+)", string.upper))
print(1 << 62, math.maxinteger + 1 == math.mininteger, 7 // -2, 7 % -2, 2^53)

local path = arg[1]
local file = assert(io.open(path, "w"))
for i = 1, 1000 do file:write(i, "\n") end
file:close()
local sum = 0
for line in io.lines(path) do sum = sum + tonumber(line) end
print(sum, os.remove(path), io.open(path) == nil)

for i = 1, 200000 do local t = { i, tostring(i) } end
collectgarbage()
print(collectgarbage("count") < 8000)
