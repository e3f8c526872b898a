"""The one way to PostgreSQL.

client      runs a statement within its deadline, from anywhere
pool        a fixed number of connections, and who waits for them
shares      how many of them one user, and all searches, may have
connection  one connection and the statement under way on it
deadline    what happens to a statement that takes too long
failures    what a driver's failure means for the client
schema      brings the schema up to date, or goes on trying
parameters  what a connection asks for, and whether the database refuses it
statement   a statement, as text and the names of its values
"""

from taskflow.database.client import Database
from taskflow.database.connection import Row
from taskflow.database.failures import DatabaseDefect, RowExists
from taskflow.database.statement import Statement, Value

__all__ = ["Database", "DatabaseDefect", "Row", "RowExists", "Statement", "Value"]
