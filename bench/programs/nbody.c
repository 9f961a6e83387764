// Five bodies under gravity, by symplectic steps: dependent double arithmetic with square roots.

#include <math.h>
#include <string.h>

#include "harness.h"

enum { kBodies = 5, kStepsPerRound = 1000 };

struct body {
  double position[3], velocity[3], mass;
};

static struct body bodies[kBodies];

static void step(double seconds) {
  for (int i = 0; i < kBodies; ++i) {
    struct body* p = &bodies[i];
    for (int j = i + 1; j < kBodies; ++j) {
      struct body* q = &bodies[j];
      const double x = p->position[0] - q->position[0];
      const double y = p->position[1] - q->position[1];
      const double z = p->position[2] - q->position[2];
      const double square = x * x + y * y + z * z + 0.01;
      const double pull = seconds / (square * sqrt(square));
      p->velocity[0] -= x * q->mass * pull;
      p->velocity[1] -= y * q->mass * pull;
      p->velocity[2] -= z * q->mass * pull;
      q->velocity[0] += x * p->mass * pull;
      q->velocity[1] += y * p->mass * pull;
      q->velocity[2] += z * p->mass * pull;
    }
  }
  for (int i = 0; i < kBodies; ++i) {
    for (int axis = 0; axis < 3; ++axis) {
      bodies[i].position[axis] += seconds * bodies[i].velocity[axis];
    }
  }
}

uint64_t kernel(uint32_t rounds) {
  uint32_t seed = 7;
  for (int i = 0; i < kBodies; ++i) {
    for (int axis = 0; axis < 3; ++axis) {
      bodies[i].position[axis] = (i + 1) * (next_random(&seed) / 16777216.0 - 0.5) * 4;
      bodies[i].velocity[axis] = (next_random(&seed) / 16777216.0 - 0.5) / (i + 1);
    }
    bodies[i].mass = i == 0 ? 40 : 0.01 * i;
  }
  for (uint32_t i = 0; i < rounds * kStepsPerRound; ++i) step(0.001);
  uint64_t bits;
  memcpy(&bits, &bodies[1].position[0], sizeof bits);
  return bits;
}
