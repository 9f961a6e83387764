(module definition $m (ult f32) (f32.negi32.ggi32.gm (ult f32) (f32.negi32.gt_u (local.get 0))))
(module instance)
(register "i"     )
`   (if t $i "g"+
