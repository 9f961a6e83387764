(module (fu) (rietct )$t)
(get) $i "g")
'