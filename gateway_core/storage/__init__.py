"""`ports.Table` on SQLite (one machine) and on DynamoDB (AWS)."""
