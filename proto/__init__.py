"""The wire: the two .proto files and the modules generated from them.

In here: `agent/v1` (public), `relay/v1` (internal), their generated modules,
committed beside them. The comments in the .proto files are the reference of
both contracts. Out of here: any code written by hand. Everybody may import
this package; it imports nothing of ours.
"""
