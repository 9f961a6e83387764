-- What an interpreter leans on, its size given as argument: tables, closures, strings, sorting, recursion.
local rounds = tonumber(arg[1])
local sum = 0

local seed = 42
local function random(limit)
  seed = (seed * 1103515245 + 12345) & 0x7fffffff
  return seed % limit
end

local function sieve(limit)
  local composite, count = {}, 0
  for i = 2, limit do
    if not composite[i] then
      count = count + 1
      for j = i * i, limit, i do composite[j] = true end
    end
  end
  return count
end

local function fibonacci(n)
  if n < 2 then return n end
  return fibonacci(n - 1) + fibonacci(n - 2)
end

local function sorted()
  local items = {}
  for i = 1, 2000 do items[i] = { key = random(100000), name = "item " .. i } end
  table.sort(items, function(a, b) return a.key < b.key or (a.key == b.key and a.name < b.name) end)
  return items[1].key + items[#items].key
end

local function words()
  local counts = {}
  for i = 1, 2000 do
    local word = string.format("w%03d", random(300))
    counts[word] = (counts[word] or 0) + 1
  end
  local parts = {}
  for word, count in pairs(counts) do parts[#parts + 1] = word .. "=" .. count end
  table.sort(parts)
  local text = table.concat(parts, ",")
  local total = 0
  for number in text:gmatch("=(%d+)") do total = total + tonumber(number) end
  return total + #text:gsub("w", "word ")
end

local Vector = {}
Vector.__index = Vector
Vector.__add = function(a, b) return setmetatable({ x = a.x + b.x, y = a.y + b.y }, Vector) end
function Vector:length2() return self.x * self.x + self.y * self.y end

local function walk()
  local at = setmetatable({ x = 0, y = 0 }, Vector)
  for _ = 1, 5000 do
    at = at + setmetatable({ x = random(3) - 1, y = random(3) - 1 }, Vector)
  end
  return at:length2()
end

for _ = 1, rounds do
  sum = (sum * 31 + sieve(20000) + fibonacci(18) + sorted() + words() + walk()) % 1000000007
end
print(sum)
