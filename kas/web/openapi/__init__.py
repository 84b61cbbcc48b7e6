"""The contract as a document: OpenAPI 3.1, made from the table of routes, the tree of errors and the limits in force."""
