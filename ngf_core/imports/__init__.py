"""Models that were trained elsewhere: read without running their code, recognised, checked.

A file's tensors are read in a process of its own (`reading`, with `unpickle` and `checkpoint`), the
network is recognised from their names and shapes (`recognise`, `networks`), put behind the pixels'
normalisation that it was trained with (`received`), and its answers on clean images are looked at
for what a wrong normalisation, BGR or another order of classes would do (`doubts`). `export` writes
a purified model back under the names that it came with.
"""
