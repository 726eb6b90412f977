"""Who may go where and when: the words, the claim, the grant, the policy, the decision."""
