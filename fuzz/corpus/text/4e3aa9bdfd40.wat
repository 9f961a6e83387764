(module $kitccaf28_u 0x1p-2
