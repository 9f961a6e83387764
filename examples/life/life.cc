// Conway's game of life on an unbounded board, with the C++ standard library.
//
//   berth run life.wasm 1103        (the R-pentomino settles after 1103 generations)

#include <algorithm>
#include <iostream>
#include <map>
#include <set>
#include <string>
#include <utility>

namespace {

using Cell = std::pair<int, int>;
using Board = std::set<Cell>;

Board next_generation(const Board& board) {
  std::map<Cell, int> neighbours;
  for (const auto& [x, y] : board) {
    for (int dx = -1; dx <= 1; ++dx) {
      for (int dy = -1; dy <= 1; ++dy) {
        if (dx != 0 || dy != 0) ++neighbours[{x + dx, y + dy}];
      }
    }
  }
  Board next;
  for (const auto& [cell, count] : neighbours) {
    if (count == 3 || (count == 2 && board.contains(cell))) next.insert(cell);
  }
  return next;
}

}  // namespace

int main(int argc, char** argv) {
  const int generations = argc > 1 ? std::stoi(argv[1]) : 10;
  Board board = {{1, 0}, {2, 0}, {0, 1}, {1, 1}, {1, 2}};
  std::size_t most = board.size();
  for (int i = 0; i < generations; ++i) {
    board = next_generation(board);
    most = std::max(most, board.size());
  }
  std::cout << "after " << generations << " generations: " << board.size() << " cells, at most " << most << '\n';
}
