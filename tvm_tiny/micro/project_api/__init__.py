"""microTVM's Project API: JSON-RPC 2.0 over pipes, served for our projects, driven for any."""
