"""Who a client is: a file for each kind of credential, and what they tell together."""
