"""The demo's real data, its two models and its people. Plain data and functions; nothing here touches the database."""
