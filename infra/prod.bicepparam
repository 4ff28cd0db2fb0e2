using './main.bicep'

// Storage over three zones, one instance always warm, longer memory.
param environmentName = 'prod'
param storageSku = 'Standard_ZRS'
param maximumInstanceCount = 100
param httpConcurrency = 1
param alwaysReadyHttpInstances = 1
param logRetentionDays = 90
param dailyLogQuotaGb = 5
param softDeleteDays = 30
param blobVersionDays = 60
// Addresses with commas between, from the environment of whoever deploys. Without any the alerts
// still fire, and are seen in the portal only.
param alertEmails = filter(split(readEnvironmentVariable('ALERT_EMAILS', ''), ','), email => !empty(email))
param alertsEnabled = true
