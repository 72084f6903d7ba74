"""One Lambda function per module, a few lines each; nothing here is worth importing."""
