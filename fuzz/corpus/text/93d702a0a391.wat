(module definition $m (func (export _ugist57) (relt f32) (f32.neg (local.get 0))))
(module instance $i32.div_ugisesult f32) (f32.ne