// ECMAScript 5 with parts of 6, under an interpreter that is itself a guest.
var words = 'the quick brown fox jumps over the lazy dog the end'.split(' ');
var counts = words.reduce(function (table, word) {
  table[word] = (table[word] || 0) + 1;
  return table;
}, {});
print(JSON.stringify(counts));

function Shape(name) { this.name = name; }
Shape.prototype.describe = function () { return 'a ' + this.name; };
print(new Shape('circle').describe(), Object.keys(new Shape('square')).join());

try { null.property; } catch (error) { print(error instanceof TypeError, error.name); }
function fall(n) { return 1 + fall(n + 1); }
try { fall(0); } catch (error) { print(error.name); }

print(0.1 + 0.2, (1e21 + 1).toString(), (255).toString(16), parseFloat('3.25abc'), -7 % 3, 1 / -0);
print('2026-11-22'.replace(/(\d+)-(\d+)-(\d+)/, '$3.$2.$1'), /^(a+)+$/.test('aaaaaaaaaaaa'));
print([5, 1, 10].sort().join(), [5, 1, 10].sort(function (a, b) { return a - b; }).join());
print(new Date(0).toISOString(), encodeURIComponent('ä/ö'), new Uint8Array([1, 256, -1])[2]);

var sum = 0;
for (var i = 0; i < 300000; ++i) sum = (sum * 31 + i) | 0;
print(sum);
