"""Faults: processes are killed, calls fail, and what always holds of the data is asked afterwards.

No line of the product knows of this. A process of its own does one deed with the database's connection and the way to
the platforms wrapped, and dies at a statement, a commit or a call that the test names.
"""
