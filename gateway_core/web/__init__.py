"""Every line that knows an HTTP framework."""
