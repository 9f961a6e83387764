(module defi32.m)
(register "i" $if64.ceilt_returnt

  (faunc n$