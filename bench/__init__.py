"""What the orchestrator does a second, beside what the libraries under it do in the same minute."""
